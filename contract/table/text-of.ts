/**
 * Texts of a request by which policies and splits choose. The client sends them, so they may be
 * anything.
 */
import type { Variables } from './route-condition.js'

interface Asked {
  readonly variables: Variables
}

const VARIABLES: { [kind: string]: string } = {
  header: 'http_',
  cookie: 'cookie_',
  argument: 'arg_',
}

/** Where the request came by the hop's socket, the front has sent the client's address. */
function clientAddress(asked: Asked): string {
  const v = asked.variables
  const own = v.remote_addr || ''
  return own.indexOf('unix:') === 0 ? v.http_x_real_ip || own : own
}

/** '' when the request has none. `source` is a TextSource, or `network`. */
export function textOf(asked: Asked, source: string): string {
  if (source === 'address') {
    return clientAddress(asked)
  }
  if (source === 'network') {
    const address = clientAddress(asked)
    return address.indexOf(':') < 0 ? address.slice(0, address.lastIndexOf('.')) : address
  }
  if (source === 'uri') {
    return asked.variables.request_uri || ''
  }
  const colon = source.indexOf(':')
  const name = source.slice(colon + 1)
  const prefix = VARIABLES[source.slice(0, colon)] as string
  // nginx spells header and argument variables in lower case; a cookie's name it takes as it is.
  const spelled = prefix === 'http_' ? name.toLowerCase().replace(/-/g, '_') : name
  return asked.variables[prefix + spelled] || ''
}
