/** State → table → gateway, and the fallback beside it; of the registry it only takes what it is given. */
import { join } from 'node:path'
import type { GatewayState } from '../contract/push.js'
import { upstreamOf } from '../contract/table/table.js'
import { canPool } from '../contract/version.js'
import type { Logger } from '../runtime/logger.js'
import type { Settings } from '../runtime/config/settings.js'
import { isOwnAddress } from './own-addresses.js'
import { CertificateFolder } from './certificates/folder.js'
import type { ControlEvent } from './views.js'
import type { SuspectView } from './views.js'
import type { Desired } from './state/desired.js'
import { Fallbacks } from './fallback/fallbacks.js'
import type { MakeChecks } from './health/checks-port.js'
import { Health } from './health/health.js'
import type { ConditionChange } from './health/health.js'
import { withConditions } from './health/desired-without-down.js'
import type { OwnGateway } from './gateways/gateway-set.js'
import { Link } from './push/link.js'
import type { Pusher } from './push/pusher.js'
import { KnownUpstreams } from './state/known-upstreams.js'
import { LastGood } from './state/last-good.js'
import { State } from './state/state.js'
import { StreamSide } from './push/stream-link.js'
import { Suspects } from './state/suspects.js'
import type { SuspectOptions } from './state/suspects.js'
import { Table } from './table/table.js'

export interface CoreOptions {
  settings: Settings
  log: Logger
  suspects: SuspectOptions
  own: ReadonlySet<string>
  emit: (event: ControlEvent) => void
  /** Something of what the own gateway shows changed. */
  onGateway: () => void
  onRejected: (rule: string) => void
  onPushFailure: (reason: string) => void
  onApplied: (lagMs: number) => void
  onFallbackError: (step: string) => void
  onConditions: (changes: ConditionChange[]) => void
  makeChecks?: MakeChecks | undefined
}

/** Renewals are seldom; a look costs two questions for each certificate. */
const FOLDER_POLL_MS = 2000

export class Core {
  readonly state: State
  readonly table: Table
  /** Undefined in file mode. */
  readonly link: Link | undefined
  /** The same for connections. */
  readonly stream: StreamSide | undefined
  readonly fallback: Fallbacks
  readonly health: Health
  /** Certificates that are in files beside those of the registry. */
  readonly folder: CertificateFolder | undefined
  readonly #options: CoreOptions
  readonly #log: Logger
  readonly #known: KnownUpstreams
  /** Units that the table had at the start and the registry does not know of. */
  readonly #unknown: Suspects
  #isReady = false

  constructor(options: CoreOptions) {
    this.#options = options
    this.#log = options.log
    const { settings, suspects } = options
    this.#unknown = new Suspects(suspects, (names) => {
      this.#trust()
      this.#pushers().forEach((pusher) => pusher.drop(names))
      this.fallback.offer()
    })
    this.state = this.#makeState()
    this.#known = new KnownUpstreams({
      path: join(settings.home, 'known-upstreams.json'),
      ...{ forMs: settings.knownForMs, log: options.log },
      onChange: () => this.changed(),
    })
    this.folder = this.#makeFolder()
    this.table = this.#makeTable()
    this.link = settings.mode === 'gateway' ? this.#makeLink() : undefined
    this.stream = this.link === undefined ? undefined : this.#makeStream(this.link)
    this.health = this.#makeHealth()
    this.fallback = this.#makeFallback()
  }

  /** True once the gateway had all of the registry, and ever after. */
  get isReady(): boolean {
    return this.#isReady
  }

  start(): void {
    this.table.start()
    this.link?.start()
    this.stream?.link.start()
    this.health.start()
    this.folder?.start()
  }

  /** What the registry says, and the certificates of the folder. The same object until something in it changes. */
  desired(): Desired {
    const said = this.state.desired()
    return this.folder?.join(said) ?? said
  }

  /** The same with the upstreams that nobody is in and that are known: what is to be served. */
  served(): Desired {
    return this.#known.join(this.desired())
  }

  /** The desired state is another one. */
  changed(): void {
    if (this.state.listed) {
      this.#known.follow(this.state.desired())
      this.health.follow(this.state.desired())
    }
    this.#wake()
    if (this.state.listed) {
      this.fallback.offer()
    }
  }

  /** Reads the tables back, and looks at the files: what differs is mended. */
  compare(): void {
    this.#pushers().forEach((pusher) => pusher.compare())
    if (this.state.listed) {
      this.fallback.offer()
    }
  }

  connected(connected: boolean): void {
    this.state.connected(connected)
    this.#unknown.connected(connected)
  }

  suspects(): SuspectView[] {
    return [...this.state.suspects(), ...this.#unknown.view()]
  }

  confirm(upstream?: string): void {
    this.state.confirm(upstream)
    this.#unknown.confirm(upstream)
  }

  /** The own gateway, of either mode. */
  gateway(): OwnGateway {
    const { link, stream, fallback } = this
    const conditions = () => this.health.conditions()
    if (link !== undefined && stream !== undefined) {
      return {
        view: () => stream.join(link.view()),
        stream: () => stream.view(),
        applied: () => Math.min(link.pusher.applied, stream.applied()),
        lagMs: () => link.pusher.lagMs,
        active: (sids) => stream.active(sids, link.active(sids)),
        conditions,
      }
    }
    const nginx = { connected: true, workers: 0, nginx: '', njs: '' }
    return {
      stream: () => ({
        ...{ ports: '', tuned: '', passthrough: false, connected: false },
        reason: 'file mode has no routes of connections',
      }),
      view: () => ({ ...nginx, reason: fallback.error ?? this.#fileMode() }),
      applied: () => fallback.revision,
      lagMs: () => 0,
      active: (sids) => Promise.resolve(sids.map(() => undefined)),
      conditions,
    }
  }

  /** While much of the table is suspect, nobody is taken out of it. */
  #trust(): void {
    if (this.#unknown.size === 0 && this.#known.trust()) {
      this.changed()
    }
  }

  #fileMode(): string {
    const unserved = this.desired().certificates.size
    const what = unserved === 0 ? '' : `; ${unserved} certificates are not served`
    return `file mode: nginx is reloaded${what}`
  }

  /** Ends the push and the writing that are under way. */
  async close(): Promise<void> {
    this.folder?.close()
    await Promise.all([
      this.link?.close(),
      this.stream?.close(),
      this.fallback.close(),
      this.health.close(),
    ])
    await this.table.close()
    this.#unknown.close()
    this.#known.close()
    this.state.close()
  }

  #makeState(): State {
    const { settings, log, suspects, own, emit, onRejected } = this.#options
    return new State({
      policy: settings,
      isOwn: (host, port) => isOwnAddress(own, host, port),
      log,
      onRejected,
      suspects,
      lastGood: new LastGood(join(settings.home, 'last-good.json'), log),
      onEvent: emit,
      onBelieved: () => this.changed(),
    })
  }

  #makeTable(): Table {
    const { domains, cluster, zone, mode, pool, poolPort } = this.#options.settings
    return new Table({
      domains,
      place: { cluster, zone },
      log: this.#log,
      poolPort: mode === 'gateway' && pool !== 'off' ? poolPort : undefined,
      wide: pool === 'wide',
      desired: (): Desired => this.served(),
      awaitsCertificates: () => this.folder?.isWhole === false,
      conditionsOf: (upstream) => this.health.conditionsOf(upstream),
      ready: () => this.state.listed,
      onChange: () => this.link?.pusher.wake(),
    })
  }

  #pushers(): Pusher[] {
    return [this.link, this.stream?.link].flatMap((link) => link?.pusher ?? [])
  }

  #wake(): void {
    this.#pushers().forEach((pusher) => pusher.wake())
  }

  #makeFolder(): CertificateFolder | undefined {
    const path = this.#options.settings.certificates
    return path === undefined
      ? undefined
      : new CertificateFolder({
          path,
          log: this.#log,
          pollMs: FOLDER_POLL_MS,
          onChange: (set, removed) => this.#onFolder(set, removed),
        })
  }

  #onFolder(set: string[], removed: string[]): void {
    const { revision } = this.state.desired()
    const tell = (id: string, state: string) =>
      this.#options.emit({ type: 'change', revision, kind: 'certificate', id, state })
    set.forEach((id) => tell(id, 'set'))
    removed.forEach((id) => tell(id, 'removed'))
    this.link?.pusher.wake()
    if (this.state.listed) {
      this.fallback.offer()
    }
    if (this.folder?.isWhole === true) {
      this.link?.pusher.drop()
    }
  }

  #makeLink(): Link {
    const { settings, onPushFailure, onApplied, onGateway } = this.#options
    return new Link({
      socketPath: join(settings.home, 'run/admin.sock'),
      source: this.table,
      log: this.#log,
      onFailure: onPushFailure,
      onApplied: (_revision, lagMs) => {
        this.#isReady = true
        this.#trust()
        onApplied(lagMs)
      },
      onChange: onGateway,
      onStarted: (state, isFirst) => this.#onNginx(state, isFirst),
      onUnknown: (names) => this.#keep(names),
    })
  }

  #makeStream(link: Link): StreamSide {
    const { settings, onPushFailure, onGateway } = this.#options
    const { cluster, zone, home } = settings
    return new StreamSide({
      socketPath: join(home, 'run/stream.sock'),
      place: { cluster, zone },
      log: this.#log,
      desired: () => this.state.desired(),
      conditionsOf: (upstream) => this.health.conditionsOf(upstream),
      ready: () => this.state.listed,
      isNginxThere: () => link.view().connected,
      // Where nobody asked for it, it may well not be there.
      onFailure: (reason) => this.state.desired().streamRoutes.size > 0 && onPushFailure(reason),
      onChange: onGateway,
      onStarted: (state) => this.state.raise(state.revision),
      onUnknown: (names) => this.#keep(names),
    })
  }

  #makeHealth(): Health {
    const { makeChecks, onConditions } = this.#options
    return new Health({
      log: this.#log,
      feed: this.link?.feed,
      streamFeed: this.stream && {
        feed: this.stream.link.feed,
        isUsed: () => this.state.desired().streamRoutes.size > 0,
      },
      makeChecks,
      isDoubtful: (sid) => this.table.isDoubtful(sid),
      onChange: (changes) => {
        this.#wake()
        if (this.link === undefined) {
          this.fallback.offer()
        }
        onConditions(changes)
      },
    })
  }

  /** What the file says: beside a table only what lasts, because it is written for when there is no table. */
  #shown(): Desired {
    return this.link === undefined
      ? withConditions(this.#known.join(this.state.desired()), this.health.conditions())
      : this.served()
  }

  #makeFallback(): Fallbacks {
    const { settings, suspects, onFallbackError, onGateway } = this.#options
    return new Fallbacks({
      settings,
      log: this.#log,
      desired: () => this.#shown(),
      isTrusted: () => this.#unknown.size === 0,
      awaitsCertificates: () => this.folder?.isWhole === false,
      emptyHoldMs: suspects.holdMs,
      onError: onFallbackError,
      onWritten: () => {
        if (this.link === undefined) {
          this.#isReady = true
          this.#trust()
          onGateway()
        }
      },
    })
  }

  /** nginx was seen for the first time, or it was started anew. */
  #onNginx(state: GatewayState, isFirst: boolean): void {
    // What a former controller has pushed tells of deletions that a listing does not show.
    this.state.raise(state.revision)
    if (isFirst && state.whole && canPool(state.nginx)) {
      this.table.assumePool()
    } else if (!isFirst) {
      this.table.forgetPool()
    }
  }

  /** Keeps what the table has and the registry does not know, as instances that vanished are kept. */
  #keep(names: string[]): void {
    const reason = 'the table has it and the registry knows nothing of it'
    const items = names.map((name) => {
      const upstream = name.startsWith(':') ? upstreamOf(name) : ''
      return { key: name, upstream, id: '*' }
    })
    this.#unknown.hold(items, reason)
    this.#log.error({ count: names.length, reason }, 'much of the table is suspect; it serves on')
    for (const { upstream } of items.filter((item) => item.upstream !== '')) {
      const { revision } = this.state.desired()
      this.#options.emit({ type: 'suspect', revision, upstream, instances: ['*'], reason })
    }
  }
}
