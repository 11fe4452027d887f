/**
 * The judge: a server between the hop and an instance, for tries whose answer may not be the last.
 * It asks the instance, and when the answer's status is named it says whether another try follows.
 */
import { UNANSWERED_STATUS } from '../../contract/servers.js'
import { followAnswer } from '../hop/follow-answer.lazy.js'
import { parseQuestion } from '../hop/judge-message.js'
import { locationSuffix, setPeerTls } from '../hop/peer-way.js'
import { hopState } from '../hop/state.js'
import { countFailure } from '../memory/counters.js'
import { zones } from '../memory/dict.js'
import { rulesOf } from '../table/peers.js'

const UNANSWERED_LOCATION = '@sluice_unanswered'

/** `$sluice_ask_location`: the location that asks the instance in the way that its rules say. */
function askLocation(r: NginxHTTPRequest): string {
  try {
    const h = hopState(r)
    const question = parseQuestion(h.v.http_x_sluice_pick)
    const rules = rulesOf(zones.sluice_table, question.upstream)
    h.v.sluice_judged = question.address
    if (rules !== null && rules.tls !== '') {
      setPeerTls(h, rules.tls)
    }
    return '@sluice_ask' + locationSuffix(rules)
  } catch (error) {
    countFailure(zones.sluice_counter, 'the judge', error, r)
    return UNANSWERED_LOCATION
  }
}

/**
 * A header filter. Leaves an answer as it is unless another try follows. An instance's own 590
 * passes as what it is to clients by RFC 9110, 15: an error of a server that they do not know.
 */
function judge(r: NginxHTTPRequest): void {
  if (r.status < 429) {
    return
  }
  try {
    followAnswer(r)
  } catch (error) {
    countFailure(zones.sluice_counter, 'the judge', error, r)
    r.status = r.status === UNANSWERED_STATUS ? 500 : r.status
  }
}

askLocation.judge = judge

export default askLocation
