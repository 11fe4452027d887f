/**
 * What each changing call means in registry operations. Single calls and batches come through here alike; nothing is
 * written before all of it was planned.
 */
import { SluiceError } from '../../../runtime/errors.js'
import { putCertificate } from './certificates.js'
import { deleteRecord } from './delete-record.js'
import type { Draft } from './draft.js'
import { drainInstance, undrainInstance } from './drain.js'
import { deleteInstance, patchInstance, putInstance } from './instances.js'
import { keysOf, printTarget } from './targets.js'
import type { CallTarget } from './targets.js'
import { putRoute } from './routes.js'
import { deleteUpstream, patchUpstream, putUpstream } from './upstreams.js'
import type { Call, Outcome, World } from './call.js'

/** Lays what the call means over the draft. Rejects with `invalid`, `not_found`, `conflict`, `not_empty`, `changed`. */
export async function planCall(draft: Draft, world: World, call: Call): Promise<Outcome> {
  await checkUnchanged(draft, world, call.target, call.ifMatch)
  const { target, body } = call
  switch (target.kind) {
    case 'upstream':
      if (call.method === 'PUT') {
        return putUpstream(draft, world, target, body)
      }
      if (call.method === 'PATCH') {
        return patchUpstream(draft, world, target, body)
      }
      if (call.method === 'DELETE') {
        return deleteUpstream(draft, target, body, call.force === true)
      }
      break
    case 'instance':
      if (call.method === 'PUT') {
        return putInstance(draft, world, target, body)
      }
      if (call.method === 'PATCH') {
        return patchInstance(draft, world, target, body)
      }
      if (call.method === 'DELETE') {
        return deleteInstance(draft, world, target, body)
      }
      break
    case 'drain':
      if (call.method === 'POST') {
        return drainInstance(draft, world, target, body)
      }
      break
    case 'undrain':
      if (call.method === 'POST') {
        return undrainInstance(draft, world, target, body)
      }
      break
    case 'route':
      if (call.method === 'PUT') {
        return putRoute(draft, world, target, body)
      }
      if (call.method === 'DELETE') {
        return deleteRecord(draft, target, body)
      }
      break
    case 'certificate':
      if (call.method === 'DELETE') {
        return deleteRecord(draft, target, body)
      }
      if (call.method === 'PUT') {
        return putCertificate(draft, world, target, body)
      }
  }
  throw new SluiceError('method_not_allowed', `${call.method} does not fit the path`)
}

/** When the target changed last, as far as the registry and this controller know; 0 when it is not there. */
export async function revisionOf(draft: Draft, world: World, target: CallTarget): Promise<number> {
  const revisions = await Promise.all(keysOf(target).map((key) => draft.revisionOf(key)))
  const stored = Math.max(0, ...revisions)
  if (target.kind === 'route' || target.kind === 'certificate') {
    return stored
  }
  if (target.kind === 'upstream') {
    // It is what is in it, so it changes with each of its instances; only the desired state knows of removals.
    return Math.max(stored, world.desired().upstreams.get(target.upstream)?.revision ?? 0)
  }
  return stored === 0 ? 0 : Math.max(stored, world.touched.revisionOf(target))
}

async function checkUnchanged(
  draft: Draft,
  world: World,
  target: CallTarget,
  ifMatch: number | undefined,
): Promise<void> {
  if (ifMatch === undefined) {
    return
  }
  const revision = await revisionOf(draft, world, target)
  if (revision === 0 && ifMatch !== 0) {
    throw new SluiceError('changed', `${printTarget(target)} is not there (any more)`)
  }
  if (revision > ifMatch) {
    const what = `${printTarget(target)} changed at revision ${revision}, after ${ifMatch}`
    throw new SluiceError('changed', what)
  }
  if (ifMatch > draft.revision && ifMatch > world.desired().revision) {
    throw new SluiceError('changed', `the registry never had a revision ${ifMatch}`)
  }
}
