/** The hop's side of tries that go by the judge (nginx/judge-conf.ts). */
import { JUDGED_LOCATION, UNANSWERED_STATUS } from '../../contract/servers.js'
import { drawFor } from '../choose/draw.js'
import { zones } from '../memory/dict.js'
import { awaitPlace } from '../memory/promised-place.js'
import { rulesOf, upstreamsOf } from '../table/peers.js'
import { printQuestion, statusIn, wasSentIn } from './judge-message.js'
import { mostTries, statusesToRetry } from './retry.js'
import { currentTry, isTrialOf, triesIn, watchAnswer } from './state.js'
import type { HopState } from './state.js'
import type { HopVariables } from './hop-variables.js'
import { rulesOfTry } from './try.js'
import { answeredStatus, lastOf, wasSent } from './upstream-vars.js'

/** What the judge is asked of the try that begins, which counts as tried. */
export function askJudge(h: HopState): string {
  const current = currentTry(h)
  if (current === null) {
    return ''
  }
  const v = h.v
  const rules = rulesOfTry(current)
  const draw = drawFor(zones.sluice_table, h.r, h.picked.key)
  const isCapped = upstreamsOf(zones.sluice_table, draw.unit).some((upstream) => {
    const each = rulesOf(zones.sluice_table, upstream)
    return each !== null && each.capped
  })
  v.sluice_judged = (v.sluice_judged && v.sluice_judged + ' ') + current.address
  // nginx's own list of addresses has the judge's.
  watchAnswer(h)
  return printQuestion({
    key: draw.unit + (draw.arm === undefined ? '' : draw.arm.upstream) + '/' + draw.slot,
    statuses: statusesToRetry(rules, isTrialOf(h, current.sid)),
    most: mostTries(rules, isFrontFirst(h, v.sluice_tried)),
    elapsedMs: Math.round(Number(v.request_time) * 1000),
    waiter: isCapped
      ? awaitPlace([v.connection, v.connection_requests, triesIn(v.sluice_tried)].join('-'))
      : '',
    upstream: current.upstream,
    address: current.address,
    tried: v.sluice_tried,
  })
}

/** Whether the front made the first of these tries. */
export function isFrontFirst(h: HopState, tried: string): boolean {
  return h.picked.sid !== '' && tried.indexOf(h.picked.sid) === 0
}

/** What the judge said of the last try; '' where it was not asked, or passed an answer on. */
export function verdictOf(v: HopVariables): string {
  return v.sluice_location === JUDGED_LOCATION &&
    Number(lastOf(v.upstream_status)) === UNANSWERED_STATUS
    ? v.upstream_http_x_sluice_peer || ''
    : ''
}

/** The status that an instance itself answered at the last try; 0 where it answered nothing. */
export function instanceStatus(v: HopVariables): number {
  const verdict = verdictOf(v)
  return verdict === '' ? answeredStatus(v) : statusIn(verdict)
}

/** Whether an instance was sent anything of the request at the last try. */
export function wasInstanceSent(v: HopVariables): boolean {
  const verdict = verdictOf(v)
  return verdict === '' ? wasSent(v) : wasSentIn(verdict)
}

/** Addresses that were tried, in nginx's own way: those behind the judge in place of its own. */
export function triedAddresses(v: HopVariables): string {
  const addresses = v.upstream_addr || ''
  if (v.sluice_judged === '') {
    return addresses
  }
  const asked = v.sluice_judged.split(' ')
  let nth = 0
  return addresses.replace(/unix:[^:]*judge\.sock/g, () => asked[nth++] || '-')
}
