/** What a controller writes of its gateway. */
import type { Code } from '../codes.js'

/** What a gateway itself found out about an instance, for people. */
export interface GatewayCondition {
  state: 'up' | 'down'
  reason: string
}

/** A value of the registry that a gateway refuses. */
export interface RefusedValue {
  key: string
  /** Which field, and what is wrong with it. */
  message: string
  /** Of the value. */
  revision: number
}

/**
 * `gateways/<id>`: what a gateway has, as its controller last saw. It is under no lease: it stands
 * until the gateway leaves by itself, or an operator forgets it. Whether its controller lives is
 * said by `presence/<id>`, which is under a lease and says since when.
 */
export interface GatewayRecord {
  applied: number
  connected: boolean
  workers: number
  nginx: string
  njs: string
  /** In-flight requests of draining instances, by `<upstream>/<id>`. */
  active: Record<string, number>
  /**
   * Instances that are down for this gateway, or would be, by `<upstream>/<id>`; those that merely
   * warm up are left out.
   */
  conditions: Record<string, GatewayCondition>
  /** Why it is not level, for people, and the code of that. */
  reason?: string
  code?: Code
  /** Values that it does not take as they stand: not all of them, where they are many. */
  refused?: RefusedValue[]
  /** Unix milliseconds of the writing. Absent in records of before, which were under a lease. */
  atMs?: number
  /** Unix milliseconds since which `connected` is as it is. */
  sinceAtMs?: number
  /** Unix milliseconds at which Sluice fetched the nginx that runs. Absent: it did not. */
  nginxFetchedAtMs?: number
}

/** `presence/<id>` (leased): the controller of a gateway lives. */
export interface PresenceRecord {
  /** Unix milliseconds since which it does. */
  sinceAtMs: number
}
