/** What the hop asks the judge (nginx/judge-conf.ts). */
import { locationSuffix, peerTlsOf } from '../../contract/table/peer-way.js'
import { drawFor } from '../choose/draw.js'
import { zones } from '../memory/dict.js'
import { awaitPlace } from '../memory/promised-place.js'
import { rulesOf, upstreamsOf } from '../table/peers.js'
import { printQuestion } from './judge-message.js'
import { isFrontFirst } from './judged.js'
import { mostTries, statusesToRetry } from './retry.js'
import { currentTry, isTrialOf, triesIn, watchAnswer } from './state.js'
import type { HopState } from './state.js'
import { rulesOfTry } from './try.js'

/** In whose name the judge may take a place, where that may be needed. */
function waiterOf(h: HopState, unit: string): string {
  const table = zones.sluice_table
  const v = h.v
  const isCapped = upstreamsOf(table, unit).some((upstream) => {
    const rules = rulesOf(table, upstream)
    return rules !== null && rules.capped
  })
  return isCapped
    ? awaitPlace([v.connection, v.connection_requests, triesIn(v.sluice_tried)].join('-'))
    : ''
}

/** What the judge is asked of the try that begins, which counts as tried. */
export function askJudge(h: HopState): string {
  const current = currentTry(h)
  if (current === null) {
    return ''
  }
  const v = h.v
  const rules = rulesOfTry(current)
  const draw = drawFor(zones.sluice_table, h.r, h.picked.key)
  v.sluice_judged = (v.sluice_judged && v.sluice_judged + ' ') + current.address
  // nginx's own list of addresses has the judge's.
  watchAnswer(h)
  const tls = peerTlsOf(rules)
  return printQuestion({
    location: '@sluice_ask' + locationSuffix(rules),
    address: current.address,
    tlsName: tls === null ? '' : tls.name,
    certificate: tls === null ? '' : tls.certificate,
    key: draw.unit + (draw.arm === undefined ? '' : draw.arm.upstream) + '/' + draw.slot,
    statuses: statusesToRetry(rules, isTrialOf(h, current.sid)),
    most: mostTries(rules, isFrontFirst(h, v.sluice_tried)),
    elapsedMs: Math.round(Number(v.request_time) * 1000),
    waiter: waiterOf(h, draw.unit),
    upstream: current.upstream,
    tried: v.sluice_tried,
  })
}
