/** Which changes of conditions are worth a line in the log and an event. */
import { instanceState } from '../state/desired.js'
import type { Desired } from '../state/desired.js'
import type { ConditionChange } from './condition-change.js'

export interface ConditionNews {
  upstream: string
  id: string
  now: ReturnType<typeof instanceState>
}

/** How far an instance has warmed up is no news, and nor is what is gone. */
export function conditionNews(changes: ConditionChange[], { upstreams }: Desired): ConditionNews[] {
  return changes.flatMap(({ upstream, id, before, after }) => {
    const instance = upstreams.get(upstream)?.instances.get(id)
    const isNews =
      before?.state !== after?.state || before?.share === undefined || after?.share === undefined
    return instance !== undefined && isNews
      ? [{ upstream, id, now: instanceState(instance, after) }]
      : []
  })
}
