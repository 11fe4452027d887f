/** How far an instance's drain is. Nowhere else is it decided that one is drained. */
import { pause } from '../../../runtime/retry.js'
import { SluiceError } from '../../../runtime/errors.js'
import type { ControllerForApi } from '../../controller-for-api.js'
import { instanceState } from '../../state/desired.js'
import type { InFlight } from '../../views.js'
import { pendingNow } from './applied.js'
import type { Pending } from './applied.js'
import { awayText } from './away-text.js'
import { inFlightByGateway } from './in-flight.js'
import type { InstanceTarget } from './instances.js'

/** How often the gateways are asked while a drain waits: soon at first, then less often. */
const FIRST_ASK_MS = 20
const LAST_ASK_MS = 500

export interface DrainProgress {
  /** Requests in flight at all gateways together; null when one of them has not said. */
  active: number | null
  /** True when no gateway can send it a request, and none has one in flight. */
  drained: boolean
  /** The gateways at which it is not known that nothing is in flight; absent when there is none. */
  notDrained?: NotDrained[]
}

interface NotDrained {
  gateway: string
  /** Null when the gateway has not said. */
  active: number | null
  /** Why it has not, where that is known. */
  reason?: string
}

/**
 * Where a gateway has not applied the drain it may still send requests: nothing in flight just now
 * means nothing then. So `pending` has to be empty, and each gateway has to have said 0.
 */
function progressOf(
  counts: InFlight[],
  pending: Pending[],
  notDrained: NotDrained[],
): DrainProgress {
  const known = counts.flatMap(({ active }) => (active === undefined ? [] : [active]))
  const isKnown = counts.length > 0 && known.length === counts.length
  const active = isKnown ? known.reduce((sum, count) => sum + count, 0) : null
  const drained = pending.length === 0 && active === 0
  return { active, drained, ...(notDrained.length > 0 && { notDrained }) }
}

function notDrainedOf(control: ControllerForApi, counts: InFlight[]): NotDrained[] {
  const views = new Map(control.gateways().map((view) => [view.id, view]))
  return counts
    .filter(({ active }) => active !== 0)
    .map(({ gateway, active = null }) => {
      const { connected = true, sinceAtMs, reason } = views.get(gateway) ?? {}
      const isAway = active === null && !connected
      return { gateway, active, ...(isAway && { reason: awayText(sinceAtMs, reason) }) }
    })
}

/** Who waits for the end of a drain must not take it for one that another call has undone. */
function refuseUndone(control: ControllerForApi, { upstream, id }: InstanceTarget): void {
  const instance = control.desired().upstreams.get(upstream)?.instances.get(id)
  if (instance !== undefined && instanceState(instance).state === 'up') {
    const message = `instance ${id} of upstream ${upstream} was undrained while the drain waited`
    throw new SluiceError('conflict', message)
  }
}

export interface DrainWait {
  target: InstanceTarget
  /** Of the drain. */
  revision: number
  /** The gateways that had not applied it when the wait for them was over. */
  late: Pending[]
  /** Of `performance.now()`. */
  untilMs: number
  signal: AbortSignal
}

/**
 * Asks every gateway until the instance is drained, `untilMs` has come, or the caller has gone.
 * Where gateways are late, it asks once. `pending` are those without the drain at the end. Rejects
 * with `conflict` when it was undrained meanwhile.
 */
export async function whenDrained(
  control: ControllerForApi,
  { target, revision, late, untilMs, signal }: DrainWait,
): Promise<{ progress: DrainProgress; pending: Pending[] }> {
  for (let waitMs = FIRST_ASK_MS; ; waitMs = Math.min(waitMs * 1.5, LAST_ASK_MS)) {
    const counts = await inFlightByGateway(control, target)
    // Asked after the counts: an nginx that was started anew meanwhile counts nothing, and may have
    // a table from before the drain.
    const pending = late.length > 0 ? late : await pendingNow(control, revision)
    const progress = progressOf(counts, pending, notDrainedOf(control, counts))
    if (late.length === 0) {
      refuseUndone(control, target)
    }
    const leftMs = late.length > 0 ? 0 : untilMs - performance.now()
    if (progress.drained || leftMs <= 0 || signal.aborted) {
      return { progress, pending }
    }
    await pause(Math.min(waitMs, leftMs), signal)
  }
}
