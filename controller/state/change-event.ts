/** A record that was put or removed → the event that says so. */
import type { ControllerEvent } from '../views.js'
import { instanceState } from './desired.js'
import type { KnownRecord, KnownRecords } from './known-records.js'

/** `store` as it is afterwards: an instance's state is decided by its override, too. */
export function changeEvent(
  kept: KnownRecord,
  revision: number,
  store: KnownRecords,
  removed?: 'removed',
): ControllerEvent {
  const about = { type: 'change' as const, revision }
  if (kept.kind === 'routes' || kept.kind === 'certificates') {
    const kind = kept.kind === 'routes' ? 'route' : 'certificate'
    return { ...about, kind, id: kept.id, state: removed ?? 'set' }
  }
  const { upstream } = kept
  if (kept.kind === 'upstreams') {
    return { ...about, kind: 'upstream', upstream, state: removed ?? 'set' }
  }
  const instance = store.instance(upstream, kept.id)
  const state = instance === undefined ? 'removed' : instanceState(instance).state
  return { ...about, kind: 'instance', upstream, id: kept.id, state }
}
