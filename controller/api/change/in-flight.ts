/** What is in flight to instances, as the gateways say. Not to know is an answer, too. */
import { withTimeLimit } from '../../../runtime/retry.js'
import type { ControllerForApi } from '../../controller-for-api.js'
import type { InFlight } from '../../views.js'
import type { InstanceTarget } from './instances.js'

/** Within this a gateway reports what is in flight, or it counts as unknown. */
const ASK_LIMIT_MS = 2_000

/** Undefined where the own gateway does not answer in time. */
async function inTime<T>(asked: Promise<T>): Promise<T | undefined> {
  const late = () => new Error('no answer in time')
  return withTimeLimit(ASK_LIMIT_MS, asked, late).catch(() => undefined)
}

/** Requests in flight to one instance, at every known gateway. */
export async function inFlightByGateway(
  control: ControllerForApi,
  { upstream, id }: InstanceTarget,
): Promise<InFlight[]> {
  const counts = await inTime(control.activeByGateway(upstream, [id]))
  return counts === undefined
    ? [{ gateway: control.gatewayId, active: undefined }]
    : (counts[0] ?? [])
}

/** Requests in flight of each of `ids`, in their order; null where a gateway has not said. */
export async function inFlightOfAll(
  control: ControllerForApi,
  upstream: string,
  ids: string[],
): Promise<Array<number | null>> {
  const counts = ids.length === 0 ? [] : await inTime(control.active(upstream, ids))
  return ids.map((_, index) => counts?.[index] ?? null)
}
