/**
 * What one server of stream{} tells the next, to which it hands a connection on: the unit that serves it. No variable comes along, but
 * nginx goes on counting the connection under the number that it has in all workers.
 */
import { countFailure } from './count.js'
import { zones } from './dict.js'
import type { Dict } from './dict.js'

interface Handed extends Dict {
  pop(key: string): string | undefined
}

declare const ngx: { readonly shared: { sluice_stream_handed: Handed } }

function numberOf(s: NginxStreamRequest): string {
  return s.variables.connection as string
}

/** Where it cannot be told, the next server closes the connection. */
export function hand(s: NginxStreamRequest, unit: string): void {
  try {
    ngx.shared.sluice_stream_handed.set(numberOf(s), unit)
  } catch (error) {
    countFailure(zones.sluice_counter, 'handing a connection on', error, s)
  }
}

/** '' where nothing was told. */
export function takeHanded(s: NginxStreamRequest): string {
  return ngx.shared.sluice_stream_handed.pop(numberOf(s)) || ''
}
