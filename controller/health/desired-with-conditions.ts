/**
 * Conditions where there is no table to say them in: the desired state without those that are down
 * here.
 */
import type { InstanceConditions } from '../state/conditions.js'
import { instanceState } from '../state/desired.js'
import type { Desired, DesiredUpstream } from '../state/desired.js'

interface Cached {
  conditions: InstanceConditions
  result: DesiredUpstream
}

/** An upstream that did not change is the same object, and so is what is made of it. */
const cache = new WeakMap<DesiredUpstream, Cached>()

function apply(upstream: DesiredUpstream, conditions: InstanceConditions): DesiredUpstream {
  const known = cache.get(upstream)
  if (known?.conditions === conditions) {
    return known.result
  }
  const instances = new Map(upstream.instances)
  for (const [id, condition] of conditions) {
    const instance = instances.get(id)
    if (instance !== undefined && condition.state === 'down') {
      const { record } = instance
      instances.set(id, {
        ...instance,
        record: { ...record, ...instanceState(instance, condition) },
      })
    }
  }
  const result = { ...upstream, instances }
  cache.set(upstream, { conditions, result })
  return result
}

export function withConditions(
  desired: Desired,
  conditions: Iterable<[upstream: string, InstanceConditions]>,
): Desired {
  const upstreams = new Map(desired.upstreams)
  for (const [name, those] of conditions) {
    const upstream = upstreams.get(name)
    if (upstream !== undefined) {
      upstreams.set(name, apply(upstream, those))
    }
  }
  return { ...desired, upstreams }
}
