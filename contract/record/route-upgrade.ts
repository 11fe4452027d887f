/** Which protocols a route lets a client change its connection to (`Upgrade`). */
import { right, wrong } from '../guard/guarded.js'
import type { Guarded } from '../guard/guarded.js'

/** A token of RFC 9110, and its version: `websocket`, `h2c`, `tls/1.2`. In lower case. */
const PROTOCOL = /^[a-z0-9][a-z0-9._+-]{0,31}(?:\/[a-z0-9.]{1,8})?$/
const MOST_PROTOCOLS = 8

/** Whether it may stand in a record, and in a configuration. */
export function isProtocol(name: string): boolean {
  return PROTOCOL.test(name)
}

export function guardUpgrade(value: unknown): Guarded<string[]> {
  if (!Array.isArray(value) || value.length > MOST_PROTOCOLS) {
    return wrong('', 'must be a list of at most ' + MOST_PROTOCOLS + ' protocols')
  }
  const protocols: string[] = []
  for (let i = 0; i < value.length; i++) {
    const name = typeof value[i] === 'string' ? (value[i] as string).toLowerCase() : ''
    if (!isProtocol(name)) {
      return wrong(String(i), 'must be a protocol such as websocket, h2c or tls/1.2')
    }
    if (protocols.indexOf(name) < 0) {
      protocols.push(name)
    }
  }
  return right(protocols)
}

/** What is passed on of the protocol that a client asks for; '' for nothing. */
export function upgradeFor(allowed: string[], asked: string | undefined): string {
  const name = asked === undefined ? '' : asked.toLowerCase()
  return allowed.indexOf(name) >= 0 ? name : ''
}
