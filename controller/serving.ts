/** What is served, and the own gateway that serves it; what is in doubt stays in its table. */
import { upstreamOf } from '../contract/table/table.js'
import { FileGateway } from './gateways/file-gateway.js'
import type { OwnGatewayOptions, OwnGateway } from './gateways/own-gateway.js'
import { DesiredSources } from './desired-sources.js'
import type { DesiredSourcesOptions } from './desired-sources.js'
import { TableGateway } from './gateways/table-gateway.js'
import type { Desired } from './state/desired.js'
import { Suspects } from './state/suspects.js'
import type { State } from './state/state.js'
import type { DnsNameView, SuspectView } from './views.js'

/** What {@link Serving} answers itself. */
type Inner = 'sources' | 'emptyHoldMs' | 'isTrusted' | 'onServed' | 'onUnknown'

export type ServingOptions = Omit<OwnGatewayOptions, Inner> &
  Omit<DesiredSourcesOptions, 'onChange' | 'onCertificates'>

export class Serving {
  readonly gateway: OwnGateway
  readonly #options: ServingOptions
  readonly #sources: DesiredSources
  /** Units that the table had at the start and the registry does not know of. */
  readonly #unknown: Suspects
  #isReady = false

  constructor(options: ServingOptions) {
    this.#options = options
    this.#unknown = new Suspects(options.suspects, (names) => {
      this.#trust()
      this.gateway.drop(names)
    })
    this.#sources = new DesiredSources({
      ...options,
      onChange: () => this.changed(),
      onCertificates: () => this.gateway.certificatesChanged(),
    })
    this.gateway = this.#makeGateway()
  }

  get state(): State {
    return this.#sources.state
  }

  /** True once the gateway had all of the registry, and ever after. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** Files of the folder of certificates that are refused now. */
  get refusedFiles(): number {
    return this.#sources.folder?.refused ?? 0
  }

  /** How the names of DNS stand from which an upstream has instances. */
  dnsNamesOf(upstream: string): DnsNameView[] {
    return this.#sources.dns.namesOf(upstream)
  }

  /** The same of all upstreams that have such names. */
  dnsNames(): Map<string, DnsNameView[]> {
    return this.#sources.dns.views()
  }

  start(): void {
    this.gateway.start()
    this.#sources.start()
  }

  /** The registry's state and the folder's certificates. The same object until one changes. */
  desired(): Desired {
    return this.#sources.desired()
  }

  /** The same with known upstreams that are empty: what the table has. */
  desiredOfTable(): Desired {
    return this.#sources.withKnownUpstreams()
  }

  /** The desired state is another one. */
  changed(): void {
    this.#sources.changed()
    this.gateway.changed()
  }

  setConnected(connected: boolean): void {
    this.state.setConnected(connected)
    this.#unknown.setConnected(connected)
  }

  suspects(): SuspectView[] {
    return [...this.state.suspects(), ...this.#unknown.view()]
  }

  confirm(upstream?: string): void {
    this.state.confirm(upstream)
    this.#unknown.confirm(upstream)
  }

  /** Ends the push and the writing that are under way. */
  async close(): Promise<void> {
    this.#sources.folder?.close()
    await this.gateway.close()
    this.#unknown.close()
    this.#sources.close()
  }

  #makeGateway(): OwnGateway {
    const options: OwnGatewayOptions = {
      ...this.#options,
      sources: this.#sources,
      emptyHoldMs: this.#options.suspects.holdMs,
      isTrusted: () => this.#unknown.size === 0,
      onServed: () => {
        this.#isReady = true
        this.#trust()
      },
      onUnknown: (names) => this.#keep(names),
    }
    return options.settings.mode === 'file' ? new FileGateway(options) : new TableGateway(options)
  }

  /** While much of the table is suspect, nobody is taken out of it. */
  #trust(): void {
    if (this.#unknown.size === 0 && this.#sources.trust()) {
      this.changed()
    }
  }

  /** Keeps what the table has and the registry does not know, as vanished instances are kept. */
  #keep(names: string[]): void {
    const { log, emit } = this.#options
    const reason = 'the table has it, and the registry does not know it'
    const items = names.map((name) => {
      const upstream = name.startsWith(':') ? upstreamOf(name) : ''
      return { key: name, upstream, id: '*' }
    })
    this.#unknown.hold(items, reason)
    log.error(
      { count: names.length, reason },
      'the registry does not know much of the table; it is kept in service for now',
    )
    for (const { upstream } of items.filter((item) => item.upstream !== '')) {
      const { revision } = this.state.desired()
      emit({ type: 'suspect', revision, upstream, instances: ['*'], reason })
    }
  }
}
