/**
 * What one server of stream{} says to the next, to which it hands a connection off. No variable
 * comes along, so the message stands in shared memory, under the connection's number. It is one of
 *
 * - `<unit>`, where the unit is not tuned;
 * - `<unit> <address> <port>`, to the server that reads the name (`sni.sock`);
 * - `<unit> <tuning> <address> <port>`, with the address and port where the client came in;
 * - `<peer> <PROXY header>`, for the server that only connects.
 */
import { Width } from '../../contract/table/table.js'
import { TUNING_PREFIX } from '../../contract/record/tuning.js'
import { countFailure } from '../memory/counters.js'
import { zones } from '../memory/dict.js'
import type { Dict } from '../memory/dict.js'

interface HandoffDict extends Dict {
  pop(key: string): string | undefined
}

declare const ngx: { readonly shared: { sluice_stream_handoff: HandoffDict } }

function numberOf(s: NginxStreamRequest): string {
  return s.variables.connection as string
}

/** Where this fails, the next server closes the connection. */
export function handOff(s: NginxStreamRequest, message: string): void {
  try {
    ngx.shared.sluice_stream_handoff.set(numberOf(s), message)
  } catch (error) {
    countFailure(zones.sluice_counter, 'handing a connection off', error, s)
  }
}

/** '' where there is none. */
export function receive(s: NginxStreamRequest): string {
  return ngx.shared.sluice_stream_handoff.pop(numberOf(s)) || ''
}

/** ` 127.0.0.1 9100` */
export function cameTo(s: NginxStreamRequest): string {
  return ' ' + s.variables.server_addr + ' ' + s.variables.server_port
}

/**
 * Hands off to the server for the unit, and names its socket. `entrance`: what `cameTo` says.
 */
export function handOffByTuning(
  s: NginxStreamRequest,
  unit: string,
  entrance: () => string,
): string {
  const record = zones.sluice_table.get(unit)
  if (record === undefined || record.charAt(Width.Digest) !== TUNING_PREFIX) {
    handOff(s, unit)
    return 'untuned'
  }
  const space = record.indexOf(' ', Width.Digest)
  handOff(s, unit + ' ' + record.slice(Width.Digest + TUNING_PREFIX.length, space) + entrance())
  return 'tuned'
}

export interface Tuned {
  unit: string
  /** By its name. */
  tuning: string
  /** Where the client came in. */
  address: string
  port: string
}

/** Parses what `handOffByTuning` wrote of a unit that is tuned. */
export function parseTuned(message: string): Tuned {
  const parts = message.split(' ')
  const at = (i: number): string => parts[i] || ''
  return { unit: at(0), tuning: at(1), address: at(2), port: at(3) }
}
