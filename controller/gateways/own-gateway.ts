/** This controller's own gateway, as the rest of the controller sees it, whatever its mode. */
import type { Logger } from '../../runtime/logger.js'
import type { Settings } from '../../runtime/config/settings.js'
import type { MakeChecks } from '../health/active-checks.js'
import type { ConditionChange } from '../health/condition-change.js'
import type { Health } from '../health/health.js'
import type { LinkView } from '../push/gateway-link.js'
import type { LanesView, StreamView } from '../views.js'
import type { DesiredSources } from '../desired-sources.js'

/** What is measured of a gateway. All is 0 or false where there is no table. */
export interface GatewayFigures {
  /** Whether it takes pushes. */
  isConnected: boolean
  /** The lock of the shared dict hangs. */
  isHung: boolean
  /** The table is too small for what the registry has. */
  isFull: boolean
  workers: number
  /** Free whole pages of the table; undefined when unknown. */
  freeBytes: number | undefined
  /** Revision of the table in the controller, and the one in nginx. */
  compiled: number
  pushed: number
  /** Hosts of routes that another route has. */
  overruled: number
  /** Peers that nginx's pool surely has. */
  pooled: number
}

export interface OwnGateway {
  readonly health: Health
  /** The files that nginx has beside the table, or in place of it. */
  readonly fallback: { readonly revision: number; readonly error: string | undefined }
  view(): LinkView
  stream(): StreamView
  /** The revision that requests and connections are served by. */
  applied(): number
  /** Milliseconds since it fell behind; 0 when it is level. */
  lagMs(): number
  /** In flight by SID; undefined where it is not known. */
  active(sids: string[]): Promise<Array<number | undefined>>
  figures(): GatewayFigures
  /** Counts of what happened to requests off the normal path. Rejects if nginx does not answer. */
  counters(): Promise<Record<string, number>>
  /** Undefined where nginx is left to choose nothing by itself. */
  lanes(): LanesView | undefined
  start(): void
  /** The desired state is another one. */
  changed(): void
  /** The folder of certificates has others. */
  certificatesChanged(): void
  /** Compares what nginx has with what it should have, and mends what differs. */
  compare(): void
  /** Lets go of units that the registry does not know of. */
  drop(names: string[]): void
  /** Ends the push and the writing that are under way. */
  close(): Promise<void>
}

export interface OwnGatewayOptions {
  settings: Settings
  log: Logger
  sources: DesiredSources
  /** For how long a state without instances is not written to a file. */
  emptyHoldMs: number
  makeChecks?: MakeChecks | undefined
  /** By which cookies name instances; undefined before the registry was read. */
  sessionKey(): string | undefined
  /** False while nginx may have much that the registry does not know of. */
  isTrusted(): boolean
  /** nginx has all of the registry. */
  onServed(): void
  /** The table has units that the registry knows nothing of. */
  onUnknown(names: string[]): void
  /** Something of what the gateway shows changed. */
  onGateway(): void
  onPushFailure(reason: string): void
  onApplied(lagMs: number): void
  onFallbackError(step: string): void
  onConditions(changes: ConditionChange[]): void
}
