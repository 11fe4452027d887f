/** Follows the registry: each part gets what concerns it, in one order. */
import type { Change, Listing, Registry, Watch } from '../registry/registry.js'
import type { Logger } from '../runtime/logger.js'
import type { Serving } from './serving.js'
import type { Agents } from './findings/agents.js'
import type { SessionKey } from './state/session-key.js'
import type { OtherGateways } from './gateways/other-gateways.js'
import type { RegistryView } from './views.js'

export interface RegistryFollowerOptions {
  registry: Registry
  /** As in `embedded:/var/lib/sluice`: what is before the first colon is shown. */
  address: string
  log: Logger
  serving: Serving
  others: OtherGateways
  agents: Agents
  sessionKey: SessionKey
  /** Key of the own gateway's record. */
  recordKey: string
  /** The own gateway's record is not in the registry. */
  onRecordMissing(): void
  /** These gateways are other than they were. */
  onGateways(ids: string[]): void
  onConnected(connected: boolean, reason?: string): void
  /** All parts have what came. */
  onChange(): void
}

const OF_TABLE = ['upstreams/', 'instances/', 'overrides/', 'routes/', 'certificates/']
const PREFIXES = [...OF_TABLE, 'gateways/', 'presence/', 'hosts/', 'secrets/']

export class RegistryFollower {
  readonly #options: RegistryFollowerOptions
  #watch: Watch | undefined
  #isConnected = false
  #awayReason: string | undefined
  #syncedAtMs: number | undefined

  constructor(options: RegistryFollowerOptions) {
    this.#options = options
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  view(): RegistryView {
    const { address, serving } = this.#options
    const connected = this.#isConnected
    const isCurrent = connected && serving.state.listed
    return {
      kind: address.split(':')[0] ?? '',
      connected,
      syncedAtMs: isCurrent ? Date.now() : this.#syncedAtMs,
      reason: connected ? undefined : this.#awayReason,
    }
  }

  start(): void {
    this.#watch = this.#options.registry.watch(PREFIXES, {
      onListing: (listing, restored) => this.#onListing(listing, restored),
      onChanges: (changes, revision) => this.#onChanges(changes, revision),
      onConnected: (connected, reason) => this.#onConnected(connected, reason),
    })
  }

  async close(): Promise<void> {
    await this.#watch?.close()
  }

  #onListing(listing: Listing, restored: boolean): void {
    const { serving, others, agents, sessionKey, recordKey, ...options } = this.#options
    serving.state.onListing(listing, restored)
    sessionKey.onListing(listing)
    options.onGateways(others.onListing(listing))
    if (!listing.entries.some(({ key }) => key === recordKey)) {
      options.onRecordMissing()
    }
    agents.onListing(listing)
    serving.changed()
    options.onChange()
  }

  #onChanges(changes: Change[], revision: number): void {
    const { serving, others, agents, sessionKey, recordKey, ...options } = this.#options
    serving.state.onChanges(changes, revision)
    sessionKey.onChanges(changes)
    options.onGateways(others.onChanges(changes))
    if (changes.some(({ type, key }) => type === 'delete' && key === recordKey)) {
      options.onRecordMissing()
    }
    agents.onChanges(changes)
    if (changes.some(({ key }) => OF_TABLE.some((prefix) => key.startsWith(prefix)))) {
      serving.changed()
    }
    options.onChange()
  }

  #onConnected(connected: boolean, reason?: string): void {
    const { log, serving } = this.#options
    if (this.#isConnected && !connected) {
      this.#syncedAtMs = Date.now()
      log.error({ reason }, 'the registry cannot be reached; what is known stays')
    } else if (connected && !this.#isConnected) {
      log.info('the registry is reached')
    }
    this.#isConnected = connected
    this.#awayReason = reason
    serving.setConnected(connected)
    this.#options.onConnected(connected, reason)
    this.#options.onChange()
  }
}
