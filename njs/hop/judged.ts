/** What the hop knows of tries that went by the judge (nginx/judge-conf.ts). */
import { JUDGED_LOCATION, UNANSWERED_STATUS } from '../../contract/servers.js'
import { statusIn, wasSentIn } from './judge-message.js'
import type { HopState } from './state.js'
import type { HopVariables } from './hop-variables.js'
import { answeredStatus, lastOf, wasSent } from './upstream-vars.js'

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
