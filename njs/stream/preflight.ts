/** Whether a peer of stream{} takes connections; the controller hears of those that do not. */
import { MOST_TRIES } from '../../contract/table/limits.js'
import { trialOf, whoIsIn } from '../choose/choice.js'
import type { PeerChoice, ChoiceContext } from '../choose/choice-types.js'
import type { Draw } from '../choose/draw.js'
import { countFailure } from '../memory/counters.js'
import { zones } from '../memory/dict.js'
import { appendEvent } from '../memory/events.js'
import { takeTrial } from '../memory/load.js'
import { rulesOf } from '../table/peers.js'

/** At most so many peers are asked for a connection; of 1, none is. */
export function mostAsked(upstream: string): number {
  const rules = rulesOf(zones.sluice_table, upstream)
  return rules === null ? MOST_TRIES : Math.min(MOST_TRIES, rules.tries)
}

/** `f<sid>` a try that failed, `t<sid>` a trial, `p<sid>` one that passed. */
export function emitEvent(s: NginxStreamRequest, event: string): void {
  try {
    appendEvent(zones.sluice_event, zones.sluice_counter, event)
  } catch (error) {
    countFailure(zones.sluice_counter, 'an event', error, s)
  }
}

/**
 * Whether the peer takes connections. The hop asks, because in njs before 1.0 a fetch never ends
 * that gets no answer.
 */
export async function acceptsConnections(s: NginxStreamRequest, address: string): Promise<boolean> {
  try {
    const url = 'http://unix:' + (s.variables.sluice_accepts_socket as string) + ':/' + address
    const reply = await ngx.fetch(url, { headers: { Host: 'sluice' } })
    return reply.status === 200
  } catch (error) {
    s.warn('sluice: asking ' + address + ' failed: ' + String(error))
    return false
  }
}

/**
 * If this connection is the one that finds out whether a peer has recovered: that peer, where it
 * has; else that it was tried.
 */
export async function tryTrial(
  s: NginxStreamRequest,
  context: ChoiceContext,
  draw: Draw,
): Promise<{ choice: PeerChoice | null; tried: string }> {
  const trial = s.variables.protocol === 'TCP' ? trialOf(context, draw) : ''
  const sid = trial.slice(1)
  const choice = trial === '' ? null : whoIsIn(context.table, draw, sid)
  if (
    choice === null ||
    mostAsked(choice.upstream) === 1 ||
    !takeTrial(context.load, trial, context.nowMs)
  ) {
    return { choice: null, tried: '' }
  }
  emitEvent(s, 't' + sid)
  const isThere = await acceptsConnections(s, choice.peer.address)
  emitEvent(s, (isThere ? 'p' : 'f') + sid)
  return isThere ? { choice: choice, tried: '' } : { choice: null, tried: sid }
}
