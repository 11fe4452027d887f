/**
 * Drain and undrain: an operator's decision, kept apart from the instance so that it outlives its
 * registration.
 */
import { guardOverride } from '../../../contract/record/override-record.js'
import type { OverrideRecord } from '../../../contract/record/override-record.js'
import { isWhole } from '../../../contract/guard/names.js'
import { SluiceError } from '../../../runtime/errors.js'
import { instanceState } from '../../state/desired.js'
import { readKnown, withFields } from '../../state/known-fields.js'
import { requireValid, fieldsOf, refuseBody } from './bodies.js'
import { withGiven } from '../http/given.js'
import type { Outcome, World } from './change-call.js'
import type { Draft } from './draft.js'
import { planned, storedInstance } from './instances.js'
import type { InstanceTarget, StoredInstance } from './instances.js'
import { overrideKey, printTarget } from './targets.js'
import { MOST_WAIT_MS } from '../schemas/common.js'

export async function drainInstance(
  draft: Draft,
  world: World,
  target: InstanceTarget,
  body: unknown,
): Promise<Outcome> {
  const { reason } = drainBody(body)
  const stored = await storedInstance(draft, world, target)
  if (!stored.there) {
    throw new SluiceError('not_found', `there is no ${printTarget(target)}`)
  }
  // Draining again decides nothing new, unless it gives another reason.
  const decided = stored.override
  if (decided !== undefined && (reason === undefined || reason === decided.reason)) {
    return { created: false, shown: { state: stateAfter(target, stored, decided) } }
  }
  const override = requireValid(
    guardOverride({ drain: true, atMs: Date.now(), ...(reason !== undefined && { reason }) }),
  )
  const before = await draft.read(overrideKey(target))
  const known = readKnown(before, guardOverride)
  const kept = known.ok ? known.value.unknown : []
  await draft.put(overrideKey(target), withFields(override, before, kept), { kept })
  return { created: false, shown: { state: stateAfter(target, stored, override) } }
}

export async function undrainInstance(
  draft: Draft,
  world: World,
  target: InstanceTarget,
  body: unknown,
): Promise<Outcome> {
  refuseBody(body)
  const stored = await storedInstance(draft, world, target)
  const drained = (await draft.read(overrideKey(target))) !== undefined
  if (!stored.there && !drained) {
    throw new SluiceError('not_found', `there is no ${printTarget(target)}`)
  }
  if (drained) {
    await draft.delete(overrideKey(target))
  }
  return { created: false, shown: { state: stateAfter(target, stored, undefined) } }
}

/** `{waitMs: 30000, reason: "deploy"}`, both optional. Throws `invalid`. */
export function drainBody(body: unknown): { waitMs: number; reason?: string } {
  const { waitMs, reason } = fieldsOf(body, ['waitMs', 'reason'], true)
  if (waitMs !== undefined && !isWhole(waitMs, 0, MOST_WAIT_MS)) {
    const rule = `must be a whole number of milliseconds from 0 to ${MOST_WAIT_MS}`
    throw new SluiceError('invalid', `waitMs ${withGiven(rule, waitMs)}`, { field: 'waitMs' })
  }
  const checked = { drain: true, atMs: 0, ...(reason !== undefined && { reason }) }
  const { reason: text } = requireValid(guardOverride(checked), checked)
  return { waitMs: waitMs ?? 0, ...(text !== undefined && { reason: text }) }
}

function stateAfter(
  target: InstanceTarget,
  stored: StoredInstance,
  override: OverrideRecord | undefined,
): string {
  if (stored.record === undefined) {
    return override === undefined ? 'down' : 'draining'
  }
  return instanceState(planned(target, stored.record, override)).state
}
