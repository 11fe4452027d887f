/** What is served, and the own gateway that serves it; what is in doubt stays in its table. */
import { upstreamOf } from '../contract/table/table.js'
import { FileGateway } from './gateways/file-gateway.js'
import type { OwnGatewayOptions, OwnGateway } from './gateways/own-gateway.js'
import { ServedState } from './gateways/served-state.js'
import type { ServedStateOptions } from './gateways/served-state.js'
import { TableGateway } from './gateways/table-gateway.js'
import type { Desired } from './state/desired.js'
import { Suspects } from './state/suspects.js'
import type { State } from './state/state.js'
import type { SuspectView } from './views.js'

/** What the core answers itself. */
type Inner = 'served' | 'emptyHoldMs' | 'isTrusted' | 'onServed' | 'onUnknown'

export type CoreOptions = Omit<OwnGatewayOptions, Inner> &
  Omit<ServedStateOptions, 'onChange' | 'onCertificates'>

export class Core {
  readonly gateway: OwnGateway
  readonly #options: CoreOptions
  readonly #served: ServedState
  /** Units that the table had at the start and the registry does not know of. */
  readonly #unknown: Suspects
  #isReady = false

  constructor(options: CoreOptions) {
    this.#options = options
    this.#unknown = new Suspects(options.suspects, (names) => {
      this.#trust()
      this.gateway.drop(names)
    })
    this.#served = new ServedState({
      ...options,
      onChange: () => this.changed(),
      onCertificates: () => this.gateway.certificatesChanged(),
    })
    this.gateway = this.#makeGateway()
  }

  get state(): State {
    return this.#served.state
  }

  /** True once the gateway had all of the registry, and ever after. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** Files of the folder of certificates that are refused now. */
  get refusedFiles(): number {
    return this.#served.folder?.refused ?? 0
  }

  start(): void {
    this.gateway.start()
    this.#served.start()
  }

  /** The registry's state and the folder's certificates. The same object until one changes. */
  desired(): Desired {
    return this.#served.desired()
  }

  /** The same with known upstreams that are empty: what the table has. */
  served(): Desired {
    return this.#served.all()
  }

  /** The desired state is another one. */
  changed(): void {
    this.#served.changed()
    this.gateway.changed()
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

  /** Ends the push and the writing that are under way. */
  async close(): Promise<void> {
    this.#served.folder?.close()
    await this.gateway.close()
    this.#unknown.close()
    this.#served.close()
  }

  #makeGateway(): OwnGateway {
    const options: OwnGatewayOptions = {
      ...this.#options,
      served: this.#served,
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
    if (this.#unknown.size === 0 && this.#served.trust()) {
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
