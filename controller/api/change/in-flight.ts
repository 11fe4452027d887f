/** What is in flight to instances, as all known gateways say, and the wait until it is nothing. */
import { pause, withTimeLimit } from '../../../runtime/retry.js'
import type { ControllerForApi } from '../../controller-for-api.js'
import type { InFlight } from '../../views.js'
import { awayText } from './away-text.js'
import type { InstanceTarget } from './instances.js'

/** How often the gateways are asked while a drain waits: soon at first, then less often. */
const FIRST_ASK_MS = 20
const LAST_ASK_MS = 500
/** Within this a gateway reports what is in flight, or it counts as unknown. */
const ASK_LIMIT_MS = 2_000

/** What is in flight to an instance. */
export interface InFlightView {
  /** At all gateways together; null when one of them has not said. */
  active: number | null
  /** The gateways at which it is not known to be 0. */
  notDrained: NotDrained[]
}

interface NotDrained {
  gateway: string
  /** Null when the gateway has not said. */
  active: number | null
  /** Why it has not, where that is known. */
  reason?: string
}

/** Asks every known gateway. Never rejects: not to know is an answer. */
export async function inFlightOf(
  control: ControllerForApi,
  target: InstanceTarget,
): Promise<InFlightView> {
  const views = new Map(control.gateways().map((view) => [view.id, view]))
  const counts = await countsOf(control, target)
  const notDrained = counts
    .filter(({ active }) => active !== 0)
    .map(({ gateway, active = null }): NotDrained => {
      const { connected = true, sinceAtMs, reason } = views.get(gateway) ?? {}
      const isAway = active === null && !connected
      return { gateway, active, ...(isAway && { reason: awayText(sinceAtMs, reason) }) }
    })
  const known = counts.map(({ active }) => active)
  const isKnown = known.length > 0 && known.every((count) => count !== undefined)
  const active = isKnown ? known.reduce((sum, count = 0) => sum + count, 0) : null
  return { active, notDrained }
}

/** Undefined where the own gateway does not answer in time; a drain then ends by its time. */
async function inTime<T>(asked: Promise<T>): Promise<T | undefined> {
  const late = () => new Error('no answer in time')
  return withTimeLimit(ASK_LIMIT_MS, asked, late).catch(() => undefined)
}

async function countsOf(
  control: ControllerForApi,
  { upstream, id }: InstanceTarget,
): Promise<InFlight[]> {
  const counts = await inTime(control.activeByGateway(upstream, [id]))
  return counts === undefined
    ? [{ gateway: control.gatewayId, active: undefined }]
    : (counts[0] ?? [])
}

/** Requests in flight of each of `ids`, in their order; null where a gateway has not said. */
export async function activeOfAll(
  control: ControllerForApi,
  upstream: string,
  ids: string[],
): Promise<Array<number | null>> {
  const counts = ids.length === 0 ? [] : await inTime(control.active(upstream, ids))
  return ids.map((_, index) => counts?.[index] ?? null)
}

/** Asks until nothing is in flight, `untilMs` (of Date.now) has come, or the caller has gone. */
export async function whenIdle(
  control: ControllerForApi,
  target: InstanceTarget,
  untilMs: number,
  signal: AbortSignal,
): Promise<InFlightView> {
  let now = await inFlightOf(control, target)
  for (let waitMs = FIRST_ASK_MS; now.active !== 0; waitMs = Math.min(waitMs * 1.5, LAST_ASK_MS)) {
    const leftMs = untilMs - Date.now()
    if (leftMs <= 0 || signal.aborted) {
      break
    }
    await pause(Math.min(waitMs, leftMs), signal)
    now = await inFlightOf(control, target)
  }
  return now
}
