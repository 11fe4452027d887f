/** Whether another try follows an answer that has come, and the verdict that says so to the hop. */
import { RETRY_STATUSES } from '../../contract/record/retry-statuses.js'
import { PEER_HEADER, UNANSWERED_STATUS } from '../../contract/servers.js'
import type { PeerChoice } from '../choose/choice-types.js'
import { parseQuestion, printVerdict } from './judge-message.js'
import type { JudgedBy } from './judge-message.js'
import { MOST_MISSES, anotherChoice, findNext } from './retry.js'
import { promisePlace } from '../memory/promised-place.js'
import { hopContext } from './try.js'
import { hopVariables, triesIn } from './state.js'
import type { HopState } from './state.js'

/** `first`, or who else has a place, which is then the hop's; null when nobody has one. */
function withPlace(h: HopState, judged: JudgedBy, first: PeerChoice | null): PeerChoice | null {
  let choice = first
  for (let left = MOST_MISSES; choice !== null && left > 0; left--) {
    const ruled = choice.ruled
    if (ruled === undefined || ruled.entry.maxConns === 0) {
      return choice
    }
    if (promisePlace(judged.waiter, ruled.rules, choice.upstream, ruled.entry)) {
      return { upstream: choice.upstream, peer: choice.peer }
    }
    const tried = judged.tried + ' ' + choice.peer.sid
    choice = anotherChoice(hopContext(h), h, '', tried, left)
  }
  return null
}

/** Whom the hop is to ask next; null where the answer is the client's. */
function nextAfter(h: HopState, judged: JudgedBy): PeerChoice | null {
  const bit = RETRY_STATUSES.indexOf(h.r.status)
  if (bit < 0 || (judged.statuses >> bit) % 2 !== 1) {
    return null
  }
  const found = findNext(h, judged.upstream, judged.tried, {
    count: triesIn(judged.tried),
    most: judged.most,
    wasSent: true,
    elapsedMs: judged.elapsedMs + Number(h.v.request_time) * 1000,
  })
  return withPlace(h, judged, found)
}

/** Changes the answer to a verdict for the hop where another try follows. */
export function followAnswer(r: NginxHTTPRequest): void {
  const v = hopVariables(r)
  const judged = parseQuestion(v.http_x_sluice_pick)
  const next = nextAfter({ r: r, v: v, picked: { key: judged.key, sid: '' } }, judged)
  if (next !== null) {
    r.headersOut[PEER_HEADER] = printVerdict(r.status, next)
    r.status = UNANSWERED_STATUS
  } else if (r.status === UNANSWERED_STATUS) {
    r.status = 500
  }
}
