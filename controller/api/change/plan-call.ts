/**
 * A planned call: what it may do as things stand, and then what it means. Nothing is written here.
 */
import { SluiceError } from '../../../runtime/errors.js'
import { callRow } from './call-table.js'
import type { ChangeCall, Outcome, World } from './change-call.js'
import type { Draft } from './draft.js'
import { keysOf, printTarget } from './targets.js'
import type { CallTarget } from './targets.js'

/**
 * Lays what the call means over the draft. Rejects with `invalid`, `not_found`, `conflict`,
 * `not_empty`, `changed`.
 */
export async function planCall(draft: Draft, world: World, call: ChangeCall): Promise<Outcome> {
  await requirePreconditions(draft, world, call)
  return callRow(call.operationId).plan(draft, world, call)
}

/**
 * When the target changed last, as far as the registry and this controller know; 0 when it is not
 * there.
 */
export async function revisionOf(draft: Draft, world: World, target: CallTarget): Promise<number> {
  const revisions = await Promise.all(keysOf(target).map((key) => draft.revisionOf(key)))
  const stored = Math.max(0, ...revisions)
  if (target.kind === 'route' || target.kind === 'certificate') {
    return stored
  }
  if (target.kind === 'upstream') {
    // An upstream changes with each of its instances. Only the desired state knows of removals.
    return Math.max(stored, world.desired().upstreams.get(target.upstream)?.revision ?? 0)
  }
  return stored === 0 ? 0 : Math.max(stored, world.touched.revisionOf(target))
}

async function requirePreconditions(draft: Draft, world: World, call: ChangeCall): Promise<void> {
  const { target, ifMatch, ifNoneMatch } = call
  if (ifMatch === undefined && ifNoneMatch === undefined) {
    return
  }
  const revision = await revisionOf(draft, world, target)
  const name = printTarget(target)
  if (revision === 0 && ifMatch !== undefined && ifMatch !== 0) {
    throw new SluiceError('changed', `${name} is not there (any more)`)
  }
  if (revision > 0 && (ifNoneMatch === '*' || ifMatch === 0)) {
    throw new SluiceError('changed', `${name} is there already, since revision ${revision}`)
  }
  if (Array.isArray(ifNoneMatch) && ifNoneMatch.includes(revision)) {
    throw new SluiceError('changed', `${name} still has revision ${revision}`)
  }
  if (typeof ifMatch === 'number') {
    requireUnchanged(draft, world, name, revision, ifMatch)
  }
}

function requireUnchanged(
  draft: Draft,
  world: World,
  name: string,
  revision: number,
  ifMatch: number,
): void {
  if (revision > ifMatch) {
    const what = `${name} changed at revision ${revision}, after ${ifMatch}`
    throw new SluiceError('changed', what)
  }
  if (ifMatch > draft.revision && ifMatch > world.desired().revision) {
    throw new SluiceError('changed', `the registry never had a revision ${ifMatch}`)
  }
}
