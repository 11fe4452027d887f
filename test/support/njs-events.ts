// Bundled into an nginx under test: writes what requests would, with Sluice's own functions.
import { zones } from '../../njs/memory/dict.js'
import { appendEvent } from '../../njs/memory/events.js'

/** `/append?text=f<sid>&times=3` */
function append(r: NginxHTTPRequest): void {
  for (let i = 0; i < Number(r.args.times || '1'); i++) {
    appendEvent(zones.sluice_event, zones.sluice_counter, String(r.args.text))
  }
  r.return(200, 'ok')
}

/** `/count?key=n<sid>&by=3` → the new value of the key of the load. */
function count(r: NginxHTTPRequest): void {
  const key = String(r.args.key)
  if (r.args.by !== undefined) {
    zones.sluice_load.incr(key, Number(r.args.by))
  }
  const value = zones.sluice_load.get(key)
  r.return(200, value === undefined ? '-' : String(value))
}

export default { append, count }
