/**
 * What the front does beyond its quick picks: the picks that take a closer look, and what nginx
 * asks of it at other moments. Both are one function, since each more would cost every request.
 */
import { SlotMark } from '../../contract/table/mark.js'
import { zones } from '../memory/dict.js'
import { pickSlowly } from './pick-slowly.lazy.js'
import { loadCounter } from './load-counter.lazy.js'
import { editHeaders } from './edit-headers.lazy.js'
import { askAndLog } from './ask-and-log.lazy.js'
import { instanceName } from './instance-name.lazy.js'

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
 * With a value, the pick: the SID for a request for whose key the table has `value`, which is no
 * SID; '' where it has nothing. Then `known` is what serves the path, if that is known; or, after
 * `SlotMark.Uncounted`, the SID. Without a value, the moment: what `askAndLog` answers, or '' after
 * the answer was edited. Never throws.
 */
export function pickOrMoment(
  r: NginxHTTPRequest,
  value?: string,
  key?: string,
  known?: string,
): string {
  if (value === undefined) {
    if (r.status === 0) {
      return askAndLog().atMoment(r)
    }
    const edited = r.variables.sluice_act_answer_unit
    return edited ? editAnswer(r, edited) : instanceName(r)
  }
  try {
    const load = zones.sluice_load
    return (known as string).charAt(0) === SlotMark.Uncounted
      ? loadCounter()(load, (known as string).slice(1))
      : pickSlowly()(zones.sluice_table, load, r, key as string, value, known as string)
  } catch (error) {
    askAndLog().fail('the pick', error, r)
    return ''
  }
}
