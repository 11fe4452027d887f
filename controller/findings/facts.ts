/** What findings are made of. The controller gives it, and every member says what is so now. */
import type { Settings } from '../../runtime/config/settings.js'
import type { InstanceConditions } from '../state/conditions.js'
import type { Desired } from '../state/desired.js'
import type {
  AgentView,
  DnsNameView,
  GatewayView,
  RefusedView,
  RegistryView,
  SuspectView,
} from '../views.js'
import type { FindingCode } from './codes.js'

export interface Facts {
  readonly settings: Settings
  readonly gatewayId: string
  readonly desired: () => Desired
  /** What the own gateway found out about the instances of an upstream. */
  readonly conditionsOf: (upstream: string) => InstanceConditions
  readonly registryView: () => RegistryView
  /** Why the registry refuses writes though it can be read; undefined when it does not. */
  readonly writeProblem: () => string | undefined
  /** Why what the own gateway has is not written to the registry; undefined when it is. */
  readonly publishProblem: () => string | undefined
  readonly gateways: () => GatewayView[]
  readonly suspects: () => SuspectView[]
  /** Values of the registry that are not served as they stand. */
  readonly refused: () => RefusedView[]
  /**
   * Values of the registry that are served without some of their fields, which the message names.
   */
  readonly partly: () => RefusedView[]
  /** By upstream: the names of DNS that it has instances from. */
  readonly dnsNames: () => ReadonlyMap<string, DnsNameView[]>
  readonly agents: () => AgentView[]
  /** Why the file for nginx was not written or not taken; undefined when it was. */
  readonly fileError: () => string | undefined
  /** Free memory of the own gateway's table, in bytes; undefined when it is not known. */
  readonly tableFreeBytes: () => number | undefined
}

/** One thing that is wrong just now. `code` and `subject` together are its identity. */
export interface Observation {
  code: FindingCode
  /** What it is about: `web`, `gw-1`, `instances/web/a`. */
  subject?: string
  /** One sentence on what is so, and one on what it means for requests. */
  message: string
  /** Unix milliseconds since which it is so; undefined: since it was first seen. */
  sinceAtMs?: number
  /** It counts once it has lasted this long, in milliseconds. */
  graceMs?: number
}

/** Looks at the facts; it is asked each second, so it keeps what is dear to work out. */
export type FindingSource = (facts: Facts, nowMs: number) => Observation[]
