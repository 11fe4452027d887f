/**
 * Connections that the peer of a seat refused: another peer of the same upstream gets them. A
 * module of its own, because few connections come here.
 */
import { SEAT_PREFIX } from '../../contract/seat.js'
import { UnitKind } from '../../contract/table/mark.js'
import { Width } from '../../contract/table/table.js'
import { countFailure } from '../memory/counters.js'
import { zones } from '../memory/dict.js'
import { serve } from '../stream/serve.js'

/** `<unit> <sid>` of the seat whose socket the connection came to; '' for none. */
function seated(s: NginxStreamRequest): string {
  const number = /(\d+)\.sock$/.exec(s.variables.server_addr as string)
  const unit = UnitKind.Host + SEAT_PREFIX + (number === null ? '' : number[1])
  return (zones.sluice_table.get(unit) || '').slice(Width.Digest)
}

function rescue(s: NginxStreamRequest): void {
  let parts = ['']
  try {
    parts = seated(s).split(' ')
  } catch (error) {
    countFailure(zones.sluice_counter, 'finding who refused', error, s)
  }
  if (parts.length < 2) {
    s.deny()
    return
  }
  const key = parts[0] + '/' + (s.variables.sluice_slot as string)
  void serve(s, key, parts[1] as string, false)
}

export default rescue
