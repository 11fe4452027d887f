/**
 * Findings about gateways: those that do not have what the registry says, and tables that are full.
 */
import { OLD_NGINX_MS } from '../../runtime/private-nginx.js'
import type { GatewayView } from '../views.js'
import type { Observation, FindingSource } from './facts.js'

/** A reload of nginx, or a controller that is just starting, is no finding. */
const AWAY_GRACE_MS = 2000
const BEHIND_GRACE_MS = 5000
/** Longer than a record waits for its next writing, once a registry is back. */
const UNPUBLISHED_GRACE_MS = 10_000
/** Of the table's memory; below this part a burst of registrations may not fit. */
const LEAST_FREE = 0.1

export const gatewaysAway: FindingSource = ({ gateways }) => gateways().flatMap(observe)

function observe(gateway: GatewayView): Observation[] {
  const { id, applied, desired, connected, sinceAtMs, code, reason } = gateway
  const why = reason === undefined ? '' : ` (${reason})`
  if (code === 'table_full') {
    const message = `the table of gateway ${id} is full${why}; it serves what it had before`
    return [{ code: 'table_full', subject: id, message }]
  }
  if (!connected) {
    const message =
      `gateway ${id} is not connected${why}; ` +
      'if its nginx runs, it serves what it last had, drained instances included, and no change reaches it'
    const since = sinceAtMs === undefined ? {} : { sinceAtMs }
    return [{ code: 'gateway_away', subject: id, message, graceMs: AWAY_GRACE_MS, ...since }]
  }
  if (applied < desired) {
    const message =
      `gateway ${id} is at revision ${applied}, not ${desired}${why}; ` +
      'it serves what it had, drained instances included'
    return [{ code: 'gateway_behind', subject: id, message, graceMs: BEHIND_GRACE_MS }]
  }
  return []
}

/** While the registry takes no write at all, that is said. */
export const gatewayUnpublished: FindingSource = (facts) => {
  const { gatewayId, registryView, writeProblem, publishProblem } = facts
  const problem = publishProblem()
  if (problem === undefined || !registryView().connected || writeProblem() !== undefined) {
    return []
  }
  const message =
    `what gateway ${gatewayId} has is not written to the registry (${problem}); ` +
    'it serves and follows changes, and other controllers do not see it, or see an old state'
  return [
    { code: 'gateway_unpublished', subject: gatewayId, message, graceMs: UNPUBLISHED_GRACE_MS },
  ]
}

export const streamAway: FindingSource = ({ gateways, desired, gatewayId }) => {
  const own = gateways().find(({ id }) => id === gatewayId)
  const { connected = true, reason } = own?.stream ?? {}
  if (own?.connected !== true || connected || desired().streamRoutes.size === 0) {
    return []
  }
  const why = reason === undefined ? '' : `: ${reason}`
  const message = `gateway ${gatewayId} does not follow changes of TCP, UDP and TLS routes${why}`
  return [{ code: 'stream_away', subject: gatewayId, message, graceMs: AWAY_GRACE_MS }]
}

/** The private nginx is renewed by nobody else. */
export const nginxOld: FindingSource = ({ gateways }, nowMs) =>
  gateways().flatMap(({ id, nginx, connected, nginxFetchedAtMs: atMs = nowMs }): Observation[] => {
    if (!connected || nowMs - atMs <= OLD_NGINX_MS) {
      return []
    }
    const day = new Date(atMs).toISOString().slice(0, 10)
    const message =
      `the nginx ${nginx} of gateway ${id} was fetched on ${day}; ` +
      'it serves, but may lack what was mended since'
    return [{ code: 'nginx_old', subject: id, message, sinceAtMs: atMs + OLD_NGINX_MS }]
  })

export const tableNearlyFull: FindingSource = ({
  gateways,
  gatewayId,
  settings,
  tableFreeBytes,
}) => {
  const own = gateways().find(({ id }) => id === gatewayId)
  const free = tableFreeBytes()
  if (own?.connected !== true || free === undefined || own.code === 'table_full') {
    return []
  }
  const part = free / settings.tableBytes
  if (part >= LEAST_FREE) {
    return []
  }
  const message =
    `${Math.floor(part * 100)} % of the table's memory is free at gateway ${gatewayId}; ` +
    'once it is full, no change is applied'
  return [{ code: 'table_nearly_full', subject: gatewayId, message }]
}

export const files: FindingSource = ({ settings, fileError }) => {
  const error = fileError()
  if (error === undefined) {
    return []
  }
  return settings.mode === 'file'
    ? [
        {
          code: 'configuration_refused',
          message: `nginx was not given the last change: ${error}; it serves what it had before`,
        },
      ]
    : [
        {
          code: 'fallback_stale',
          message: `the fallback file is not current: ${error}; requests are served as they should be`,
          graceMs: BEHIND_GRACE_MS,
        },
      ]
}
