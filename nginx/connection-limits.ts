/**
 * How many of a worker's connections each kind of traffic may take: gRPC, TCP and UDP a quarter
 * each. So none of them keeps the others out, however silent its clients are.
 */
import type { ConfSettings } from './conf-settings.js'

const PARTS_OF_CONNECTIONS = 4

/** TCP connections of clients in one worker, or UDP clients: each takes one more to an instance. */
export function mostSessions({ connections }: ConfSettings): number {
  return Math.floor(connections / PARTS_OF_CONNECTIONS / 2)
}

/** The worker_connections that such a limit is a share of. */
export function connectionsFor(most: number): number {
  return most * PARTS_OF_CONNECTIONS * 2
}

/**
 * Zones of `limit_conn`, by worker: two in `stream{}`, one in `http{}`. A call of gRPC is counted
 * at the front and at the hop.
 */
export const SHARE_ZONES = { tcp: 'sluice_tcp', udp: 'sluice_udp', calls: 'sluice_calls' }

/** In a server or a location: refuses calls that are too many, with 503. */
export function callLimit({ connections }: ConfSettings): string[] {
  const most = Math.floor(connections / PARTS_OF_CONNECTIONS / 2)
  return [`limit_conn ${SHARE_ZONES.calls} ${most};`, 'limit_conn_log_level info;']
}

/**
 * In `http{}`. What is no call of gRPC has no key, and is not counted. A zone's key never changes:
 * an nginx that has the zone would refuse to reload.
 */
export const CALLS = `map $sluice_grpc $sluice_calling { default ''; 1 $pid; }
limit_conn_zone $sluice_calling zone=${SHARE_ZONES.calls}:1m;`
