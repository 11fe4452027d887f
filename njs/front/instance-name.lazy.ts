/** Which instance answered, for the access log, where the slot of the pick did not say. */
import { countFailure } from '../memory/counters.js'
import { zones } from '../memory/dict.js'
import { askedName } from '../table/peer-name.js'

/** `<upstream> <instance>`, `- -` where that is not known. Never throws. */
export function instanceName(r: NginxHTTPRequest): string {
  try {
    return askedName(zones.sluice_table, r) || '- -'
  } catch (error) {
    countFailure(zones.sluice_counter, 'the name of an instance', error, r)
    return '- -'
  }
}
