/**
 * The judge: a server between the hop and an instance, for tries whose answer may not be the last.
 * When the answer's status is named, it says whether another try follows.
 */
import { UNANSWERED_STATUS } from '../../contract/servers.js'
import { followAnswer } from '../hop/follow-answer.lazy.js'
import { judgeCertificate } from '../hop/judge-certificate.lazy.js'
import { countFailure } from '../memory/counters.js'
import { zones } from '../memory/dict.js'

function fail(r: NginxHTTPRequest, error: unknown): void {
  countFailure(zones.sluice_counter, 'the judge', error, r)
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
    fail(r, error)
    r.status = r.status === UNANSWERED_STATUS ? 500 : r.status
  }
}

/**
 * `$sluice_judge_certificate`: what the instance is shown, '' for nothing. Where that has left the
 * table meanwhile it is no certificate, by which nginx ends the try: the instance would take us for
 * somebody else.
 */
judge.certificate = (r: NginxHTTPRequest): string => {
  try {
    return judgeCertificate(r.variables.http_x_sluice_pick)
  } catch (error) {
    fail(r, error)
    return 'data:-'
  }
}

export default judge
