/**
 * The desired state, from its sources: the registry's records, what names of DNS answer, the
 * folder's certificates, and upstreams that are known although the registry does not have them any
 * more. It is not in state/, which lies below certificates/.
 */
import { join } from 'node:path'
import type { Logger } from '../runtime/logger.js'
import type { Settings } from '../runtime/config/settings.js'
import { CertificateFolder } from './certificates/folder.js'
import { isOwnAddress } from './own-addresses.js'
import type { Desired } from './state/desired.js'
import { KnownUpstreams } from './state/known-upstreams.js'
import { LastGood } from './state/last-good.js'
import { DnsUpstreams } from './resolve/dns-upstreams.js'
import { State } from './state/state.js'
import type { SuspectOptions } from './state/suspects.js'
import type { ControllerEvent } from './views.js'

export interface DesiredSourcesOptions {
  settings: Settings
  log: Logger
  suspects: SuspectOptions
  /** Addresses that Sluice itself listens on. */
  ownAddresses: ReadonlySet<string>
  emit: (event: ControllerEvent) => void
  onRejected: (rule: string) => void
  /** A removal is believed, or an upstream is forgotten. */
  onChange: () => void
  /** The folder of certificates has others. */
  onCertificates: () => void
}

/** Renewals are seldom. A look costs two calls for each certificate. */
const FOLDER_POLL_MS = 2000

export class DesiredSources {
  readonly state: State
  /** Certificates that are in files, besides those of the registry. */
  readonly folder: CertificateFolder | undefined
  /** Instances that names of DNS answer. */
  readonly dns: DnsUpstreams
  readonly #options: DesiredSourcesOptions
  readonly #known: KnownUpstreams

  constructor(options: DesiredSourcesOptions) {
    this.#options = options
    const { settings, log, suspects, ownAddresses, emit, onRejected, onChange } = options
    const isOwn = (host: string, port: number) => isOwnAddress(ownAddresses, host, port)
    const rules = { policy: settings, isOwn }
    this.dns = new DnsUpstreams({
      ...{ settings, log, rules, onChange },
      onResolved: (upstream, instances) => this.state.resolve(upstream, instances),
    })
    this.state = new State({
      ...rules,
      lastGood: new LastGood(join(settings.home, 'last-good.json'), log),
      ...{ log, suspects, onRejected, onEvent: emit, onBelieved: onChange },
    })
    this.#known = new KnownUpstreams({
      path: join(settings.home, 'known-upstreams.json'),
      ...{ forMs: settings.knownForMs, log, onChange },
    })
    this.folder = this.#makeFolder()
  }

  /** True once all of the registry is known, and something of each name that it has. */
  get isListed(): boolean {
    return this.state.listed && this.dns.isSettled
  }

  /** Whether certificates may still come that nobody has read yet. */
  get awaitsCertificates(): boolean {
    return this.folder?.isWhole === false
  }

  /** The registry's state and the folder's certificates. The same object until one changes. */
  desired(): Desired {
    const desired = this.state.desired()
    return this.folder?.join(desired) ?? desired
  }

  /** The same with known upstreams that are empty: what the table has. */
  withKnownUpstreams(): Desired {
    return this.#known.join(this.desired())
  }

  /** The registry's state with known upstreams, but without the folder's certificates. */
  withoutFolder(): Desired {
    return this.#known.join(this.state.desired())
  }

  start(): void {
    this.folder?.start()
  }

  /** The desired state is another one. */
  changed(): void {
    if (this.state.listed) {
      this.dns.follow(this.state.desired().upstreams)
      this.#known.follow(this.state.desired())
    }
  }

  /** What the registry does not have is believed to be gone. True when that changes anything. */
  trust(): boolean {
    return this.#known.trust()
  }

  close(): void {
    this.dns.close()
    this.#known.close()
    this.state.close()
  }

  #makeFolder(): CertificateFolder | undefined {
    const { settings, log } = this.#options
    const path = settings.certificates
    return path === undefined
      ? undefined
      : new CertificateFolder({
          ...{ path, log, pollMs: FOLDER_POLL_MS },
          onChange: (set, removed) => this.#onFolder(set, removed),
        })
  }

  #onFolder(set: string[], removed: string[]): void {
    const { revision } = this.state.desired()
    const emit = (id: string, state: string) =>
      this.#options.emit({ type: 'change', revision, kind: 'certificate', id, state })
    set.forEach((id) => emit(id, 'set'))
    removed.forEach((id) => emit(id, 'removed'))
    this.#options.onCertificates()
  }
}
