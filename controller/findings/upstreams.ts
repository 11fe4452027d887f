/** Findings about upstreams whose requests cannot be served. */
import type { InstanceConditions } from '../state/conditions.js'
import { instanceState } from '../state/desired.js'
import type { DesiredUpstream } from '../state/desired.js'
import type { Observation, FindingSource } from './facts.js'

/** Each is one finding; a whole rack that is away is reported once. */
const MOST_SHOWN = 50
/** A rolling restart of a single instance is no finding. */
const GRACE_MS = 2000

interface Looked {
  conditions: InstanceConditions
  message: string | undefined
}

/**
 * Neither an upstream nor its conditions are changed in place, so what was seen stays true of the
 * two.
 */
const looked = new WeakMap<DesiredUpstream, Looked>()

export const upstreamsDown: FindingSource = ({ desired, conditionsOf }) => {
  const found: Observation[] = []
  for (const upstream of desired().upstreams.values()) {
    const message = messageOf(upstream, conditionsOf(upstream.name))
    if (message !== undefined) {
      const code = 'upstream_down' as const
      found.push({ code, subject: upstream.name, message, graceMs: GRACE_MS })
    }
  }
  if (found.length <= MOST_SHOWN) {
    return found
  }
  const message = `${found.length - MOST_SHOWN} more upstreams have no instance that is up`
  const others = { code: 'upstream_down' as const, subject: '(others)', message }
  return [...found.slice(0, MOST_SHOWN), { ...others, graceMs: GRACE_MS }]
}

function messageOf(upstream: DesiredUpstream, conditions: InstanceConditions): string | undefined {
  const known = looked.get(upstream)
  if (known?.conditions === conditions) {
    return known.message
  }
  const message = look(upstream, conditions)
  looked.set(upstream, { conditions, message })
  return message
}

function look(upstream: DesiredUpstream, conditions: InstanceConditions): string | undefined {
  const { name, instances } = upstream
  const states = [...instances.values()].map((one) => instanceState(one, conditions.get(one.id)))
  if (states.length === 0 || states.some(({ state }) => state === 'up')) {
    return undefined
  }
  const [first] = states
  const what = states.length === 1 ? 'its only instance is' : `all ${states.length} instances are`
  const all = states.every(({ state }) => state === first?.state)
    ? first?.state
    : 'down or draining'
  const why = first?.reason === undefined ? '' : ` (${first.reason})`
  return `upstream ${name}: ${what} ${all}${why}; its requests are answered 502 or 503`
}
