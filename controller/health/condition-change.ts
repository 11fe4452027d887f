/** What changed between two states of an upstream's conditions. */
import type { Condition, InstanceConditions } from '../state/conditions.js'

export interface ConditionChange {
  upstream: string
  id: string
  before: Condition | undefined
  after: Condition | undefined
}

/** The instances that have another condition afterwards than before. */
export function differences(
  upstream: string,
  before: InstanceConditions,
  after: InstanceConditions,
): ConditionChange[] {
  if (before === after) {
    return []
  }
  const ids = new Set([...before.keys(), ...after.keys()])
  return [...ids]
    .map((id) => ({ upstream, id, before: before.get(id), after: after.get(id) }))
    .filter((change) => change.before !== change.after)
}
