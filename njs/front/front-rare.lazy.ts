/** What the front seldom needs, or only when the answer is there. */
import { zones } from '../memory/dict.js'
import { pickSlowly } from './pick-slowly.js'
import { editHeaders } from './edit-headers.lazy.js'
import { askAndLog } from './ask-and-log.lazy.js'

/** Asked once for an answer whose headers the route `unit` changes. */
function editAnswer(r: NginxHTTPRequest, unit: string): string {
  r.variables.sluice_act_answer_unit = ''
  try {
    editHeaders(zones.sluice_table, r.headersOut, unit)
  } catch (error) {
    askAndLog().fail('the change of an answer', error, r)
  }
  return ''
}

/**
 * The SID for a request for whose key the table has `value`, which is no SID; '' where it has
 * nothing. Without a value, what nginx asks for at other moments (`atMoment`). Never throws.
 */
export function frontRare(r: NginxHTTPRequest, value?: string): string {
  if (value === undefined) {
    const unit = r.status === 0 ? '' : r.variables.sluice_act_answer_unit
    return unit ? editAnswer(r, unit) : askAndLog().atMoment(r)
  }
  try {
    const key = r.variables.sluice_key as string
    return pickSlowly(zones.sluice_table, zones.sluice_load, r, key, value)
  } catch (error) {
    askAndLog().fail('the pick', error, r)
    return ''
  }
}
