/** What the REST API needs of the controller. `controller.ts` is the one implementation. */
import type { Registry } from '../registry/registry.js'
import type { Logger } from '../runtime/logger.js'
import type { Settings } from '../runtime/config/settings.js'
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

export interface AppliedWait {
  waitsForAway?: boolean
  signal?: AbortSignal
}

export interface ControllerForApi {
  readonly settings: Settings
  readonly registry: Registry
  readonly log: Logger
  readonly gatewayId: string
  /** The last revision seen; the last known good one while the registry is away. */
  desired(): Desired
  /** The same with upstreams that are known and empty: what the table has. */
  desiredOfTable(): Desired
  /** What the own gateway found out about the instances of an upstream. */
  conditionsOf(upstream: string): InstanceConditions
  /** How the names of DNS stand from which an upstream has instances; none where it has none. */
  dnsNamesOf(upstream: string): DnsNameView[]
  /** By which cookies name instances; never shown. Undefined before the registry was read. */
  sessionKey(): string | undefined
  /** True once the registry was read and the gateway had all of it, and ever after. */
  ready(): boolean
  registryView(): RegistryView
  /** What is wrong now, the longest first; empty when all is well. */
  findings(): Finding[]
  gateways(): GatewayView[]
  /** What agents follow besides their engines; of agents that are alive. */
  sources(): SourceView[]
  /** The own gateway's side for connections. */
  stream(): StreamView
  /** Undefined where the own nginx is left to choose nothing by itself. */
  lanes(): LanesView | undefined
  suspects(): SuspectView[]
  /** Believes what is suspect, of one upstream or of all. */
  confirmSuspects(upstream?: string): void
  /**
   * Resolves when this controller knows everything up to `revision`. Rejects with
   * `registry_unavailable` after `timeoutMs`.
   */
  whenKnown(revision: number, timeoutMs: number): Promise<void>
  /**
   * The gateways that have not applied `revision` within `timeoutMs`; empty when all have. Ends
   * sooner when the signal aborts; and, unless `waitsForAway`, where only such are left that have
   * been away for long.
   */
  whenApplied(revision: number, timeoutMs: number, wait?: AppliedWait): Promise<GatewayView[]>
  /**
   * In-flight requests of each instance at all gateways together, in the order of `ids`; undefined
   * when one of them has not reported. Exact up to 64, a lower bound above.
   */
  active(upstream: string, ids: string[]): Promise<Array<number | undefined>>
  /** The same at each gateway, the own one first. */
  activeByGateway(upstream: string, ids: string[]): Promise<InFlight[][]>
  /**
   * Forgets a gateway that is gone for good: nothing waits for it any more. Rejects with
   * `not_found`, or with `conflict` while its controller lives.
   */
  forgetGateway(id: string): Promise<void>
  /** Events from now on, in order. Returns the way to stop. */
  subscribe(listener: (event: ControllerEvent) => void): () => void
  /**
   * Addresses that Sluice itself listens on (`127.0.0.1:8080`). None of them may be an instance: a
   * request would go in circles.
   */
  ownAddresses(): ReadonlySet<string>
}
