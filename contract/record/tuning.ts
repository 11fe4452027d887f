/**
 * Tuning: how long the connections of a route may be silent, and what instances are sent before the
 * client's first byte. nginx takes neither from a variable, so each combination has a server of its
 * own (nginx/handoff-conf.ts).
 */
import { guardShape, right, fieldIn, wrong } from '../guard/guarded.js'
import type { Guarded, Fields } from '../guard/guarded.js'

export interface Tuning {
  /** A connection on which nobody says anything for so long is closed. */
  timeouts?: { idleMs: number }
  /** How instances are sent the client's address, before all else. */
  proxyProtocol?: 'v1'
}

export const TUNING_FIELDS = ['timeouts', 'proxyProtocol']
export const IDLE_MS = [1000, 5000, 10000, 30000, 60000, 300000, 3600000, 86400000]
/** The name where there is no tuning. */
export const UNTUNED = '0'
/**
 * What the first line of a tuned host's record begins with, before the tuning's name. It sorts
 * first as the longest prefix, and no path begins so.
 */
export const TUNING_PREFIX = '='
/**
 * The one condition of a tuned route, as the table has it: nginx's variable that only those servers
 * set.
 */
export const TUNED_CONDITION = 'sluice_tuned'

const CONNECTION = 'is for requests, so for routes by host; a connection has idleMs'

/** All combinations. */
export function allTunings(): Tuning[] {
  const sent: Tuning = { proxyProtocol: 'v1' }
  const silent: Tuning[] = IDLE_MS.map((idleMs) => ({ timeouts: { idleMs: idleMs } }))
  return silent.concat(
    sent,
    silent.map((each) => Object.assign({}, each, sent)),
  )
}

/**
 * `60`, `60p` or `0p`: seconds, and `p` with a PROXY header. Short, as it stands in the path of a
 * socket.
 */
export function tuningName(tuning: Tuning): string {
  const idleMs = tuning.timeouts === undefined ? 0 : tuning.timeouts.idleMs
  return idleMs / 1000 + (tuning.proxyProtocol === undefined ? '' : 'p')
}

function guardIdle(value: unknown): Guarded<{ idleMs: number }> {
  const shape = guardShape(value, ['idleMs', 'readMs', 'connectMs', 'sendMs'])
  if (!shape.ok) {
    return shape
  }
  const foreign = Object.keys(shape.value).filter((field) => field !== 'idleMs')[0]
  if (foreign !== undefined) {
    return wrong(foreign, CONNECTION)
  }
  const idleMs = shape.value.idleMs as number
  return IDLE_MS.indexOf(idleMs) >= 0
    ? right({ idleMs: idleMs })
    : wrong('idleMs', 'must be one of ' + IDLE_MS.join(', ') + ': nginx takes it from no variable')
}

/** Guards the fields of a route that are its tuning. */
export function guardTuning(fields: Fields): Guarded<Tuning> {
  const tuning: Tuning = {}
  const field = TUNING_FIELDS.filter((name) => fields[name] !== undefined)[0]
  if (field !== undefined && fields.protocol === 'udp') {
    return wrong(field, 'is for TCP; of UDP, nginx forgets a client that is silent for a minute')
  }
  if (fields.timeouts !== undefined) {
    const idle = guardIdle(fields.timeouts)
    if (!idle.ok) {
      return wrong(fieldIn('timeouts', idle.field), idle.message)
    }
    tuning.timeouts = idle.value
  }
  if (fields.proxyProtocol !== undefined) {
    if (fields.proxyProtocol !== 'v1') {
      return wrong('proxyProtocol', 'must be v1, the only version that is sent')
    }
    tuning.proxyProtocol = 'v1'
  }
  return right(tuning)
}
