/** What the REST API needs of the controller. `controller.ts` is the one implementation. */
import type { Code } from '../contract/codes.js'
import type { Registry } from '../registry/registry.js'
import type { Logger } from '../runtime/logger.js'
import type { Settings } from '../runtime/settings.js'
import type { GatewayCondition } from '../contract/records.js'
import type { Conditions } from './conditions.js'
import type { Desired } from './desired.js'

export interface StreamView {
  /** Ports that are open for routes, such as `9100-9104 9106`. */
  ports: string
  /** Those of them whose routes may have `timeouts` and `proxyProtocol`. */
  tuned: string
  /** Whether TLS connections to the HTTPS port are passed through by name. */
  passthrough: boolean
  connected: boolean
  /** Why there are none, or it is not connected, for people. */
  reason?: string
}

export interface GatewayView {
  id: string
  /** Revision that the gateway acknowledged, and the one that it should have. */
  applied: number
  desired: number
  /** Milliseconds since it fell behind; 0 when it is level. */
  lagMs: number
  connected: boolean
  workers: number
  nginx: string
  njs: string
  /** What it found out itself about instances, by `<upstream>/<id>`; see the record. */
  conditions: Record<string, GatewayCondition>
  /** Its side for connections; absent where another controller's gateway does not tell. */
  stream?: StreamView
  /** Why it is not connected or not level, for people. */
  reason?: string
  /** Of the reason, where something is wrong. */
  code?: Code
}

export interface RegistryView {
  kind: string
  connected: boolean
  /** Unix milliseconds of the last time the registry was known to agree; undefined before the first. */
  syncedAtMs: number | undefined
}

/** A removal that is not believed yet. */
export interface SuspectView {
  upstream: string
  instances: string[]
  reason: string
  sinceAtMs: number
  /** When it will be believed if the registry stays reachable. */
  untilAtMs: number
}

export type ControlEvent =
  | {
      type: 'change'
      revision: number
      kind: 'upstream' | 'instance' | 'route' | 'certificate'
      upstream?: string
      id?: string
      state: string
    }
  | { type: 'gateway'; revision: number; id: string; applied: number; connected: boolean }
  | { type: 'registry'; revision: number; connected: boolean; reason?: string }
  | {
      type: 'health'
      revision: number
      upstream: string
      id: string
      /** As the own gateway has it now. */
      state: string
      reason?: string
    }
  | { type: 'suspect'; revision: number; upstream: string; instances: string[]; reason: string }

export interface Control {
  readonly settings: Settings
  readonly registry: Registry
  readonly log: Logger
  readonly gatewayId: string
  /** The last revision seen; the last known good one while the registry is away. */
  desired(): Desired
  /** What the own gateway found out about the instances of an upstream. */
  conditionsOf(upstream: string): Conditions
  /** True once the registry was read and the gateway had all of it, and ever after. */
  ready(): boolean
  registryView(): RegistryView
  gateways(): GatewayView[]
  /** The own gateway's side for connections. */
  stream(): StreamView
  suspects(): SuspectView[]
  /** Believes what is suspect, of one upstream or of all. */
  confirmSuspects(upstream?: string): void
  /** Resolves when this controller knows everything up to `revision`. Rejects with `registry_unavailable` after `timeoutMs`. */
  whenKnown(revision: number, timeoutMs: number): Promise<void>
  /** The ids of connected gateways that have not applied `revision` within `timeoutMs`; empty when all have. */
  whenApplied(revision: number, timeoutMs: number): Promise<string[]>
  /**
   * In-flight requests of each instance on all connected gateways, in the order of `ids`; undefined when a gateway cannot
   * tell. Exact up to 64, a lower bound above.
   */
  active(upstream: string, ids: string[]): Promise<Array<number | undefined>>
  /** Events from now on, in order. Returns the way to stop. */
  subscribe(listener: (event: ControlEvent) => void): () => void
  /** Addresses that Sluice itself listens on (`127.0.0.1:8080`): never an instance, or a request would go round. */
  ownAddresses(): ReadonlySet<string>
}
