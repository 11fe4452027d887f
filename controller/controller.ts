/**
 * The controller follows the registry, feeds what serves, and answers the API. It is the one
 * implementation of `ControllerForApi`.
 */
import type { Registry } from '../registry/registry.js'
import type { Logger } from '../runtime/logger.js'
import type { Settings } from '../runtime/config/settings.js'
import type { AppliedWait, ControllerForApi } from './controller-for-api.js'
import { ControllerParts } from './controller-parts.js'
import type { ControllerOptions } from './controller-parts.js'
import { loadGatewayId } from './gateways/gateway-id.js'
import type { Metrics } from './metrics/metrics.js'
import type { InstanceConditions } from './state/conditions.js'
import type { Desired } from './state/desired.js'
import type {
  ControllerEvent,
  DnsNameView,
  Finding,
  GatewayView,
  InFlight,
  LanesView,
  RegistryView,
  SourceView,
  StreamView,
  SuspectView,
} from './views.js'

/** How often the numbers of what drains here are published, while others may wait for them. */
const DRAIN_POLL_MS = 1000

export class Controller implements ControllerForApi {
  readonly settings: Settings
  readonly registry: Registry
  readonly log: Logger
  readonly gatewayId: string
  readonly metrics: Metrics
  readonly #parts: ControllerParts
  #drainTimer: NodeJS.Timeout | undefined

  /** Rejects with `invalid` when the home's gateway id is none. */
  static async make(options: ControllerOptions): Promise<Controller> {
    return new Controller(options, await loadGatewayId(options.settings.home))
  }

  private constructor(options: ControllerOptions, gatewayId: string) {
    this.settings = options.settings
    this.registry = options.registry
    this.log = options.log
    this.gatewayId = gatewayId
    this.#parts = new ControllerParts(options, gatewayId)
    this.metrics = this.#parts.metrics
  }

  /** Begins to follow the registry and to push. */
  start(): void {
    const { serving, follower, publisher, sessionKey, findings, audit, gateways } = this.#parts
    serving.start()
    follower.start()
    publisher.start()
    sessionKey.start()
    findings.start()
    audit.start()
    this.#drainTimer = setInterval(() => {
      if (gateways.isWatched) {
        publisher.wake()
      }
    }, DRAIN_POLL_MS)
  }

  /** nginx ends with this process: at {@link close} nobody need wait for this gateway any more. */
  leave(): void {
    this.#parts.publisher.leave()
  }

  /** Ends the push and the writing that are under way. The registry stays open. */
  async close(): Promise<void> {
    clearInterval(this.#drainTimer)
    const { serving, follower, publisher, sessionKey, findings, audit } = this.#parts
    findings.close()
    await audit.close()
    await follower.close()
    await Promise.all([serving.close(), publisher.close(), sessionKey.close()])
  }

  desired(): Desired {
    return this.#parts.serving.desired()
  }

  desiredOfTable(): Desired {
    return this.#parts.serving.desiredOfTable()
  }

  conditionsOf(upstream: string): InstanceConditions {
    return this.#parts.serving.gateway.health.conditionsOf(upstream)
  }

  dnsNamesOf(upstream: string): DnsNameView[] {
    return this.#parts.serving.dnsNamesOf(upstream)
  }

  sessionKey(): string | undefined {
    return this.#parts.sessionKey.value
  }

  ready(): boolean {
    return this.#parts.serving.isReady
  }

  registryView(): RegistryView {
    return this.#parts.follower.view()
  }

  findings(): Finding[] {
    return this.#parts.findings.list()
  }

  gateways(): GatewayView[] {
    return this.#parts.gateways.views()
  }

  stream(): StreamView {
    return this.#parts.serving.gateway.stream()
  }

  sources(): SourceView[] {
    return this.#parts.agents.sources()
  }

  lanes(): LanesView | undefined {
    return this.#parts.serving.gateway.lanes()
  }

  suspects(): SuspectView[] {
    return this.#parts.serving.suspects()
  }

  confirmSuspects(upstream?: string): void {
    this.#parts.serving.confirm(upstream)
  }

  whenKnown(revision: number, timeoutMs: number): Promise<void> {
    return this.#parts.waits.whenKnown(revision, timeoutMs)
  }

  whenApplied(revision: number, timeoutMs: number, wait?: AppliedWait): Promise<GatewayView[]> {
    return this.#parts.waits.whenApplied(revision, timeoutMs, wait)
  }

  active(upstream: string, ids: string[]): Promise<Array<number | undefined>> {
    return this.#parts.gateways.active(upstream, ids)
  }

  activeByGateway(upstream: string, ids: string[]): Promise<InFlight[][]> {
    return this.#parts.gateways.activeByGateway(upstream, ids)
  }

  forgetGateway(id: string): Promise<void> {
    return this.#parts.waits.forget(id)
  }

  subscribe(listener: (event: ControllerEvent) => void): () => void {
    return this.#parts.events.subscribe(listener)
  }

  ownAddresses(): ReadonlySet<string> {
    return this.#parts.ownAddresses
  }
}
