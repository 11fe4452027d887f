/** Names as nginx's hashes and regular expressions take them. */
import { isProtocol } from '../../contract/record/route-upgrade.js'
import { hostKind, isHostPattern, isName } from '../../contract/guard/names.js'
import { SluiceError } from '../../runtime/errors.js'
import { plain } from './conf-writer.js'
import type { Word } from './conf-writer.js'

/**
 * What fits a bucket of nginx's hashes at their smallest, 64 bytes, two pointers and the key's
 * length taken off. How large they are is for a user's `http{}` to say, once; and where a longer
 * key stood in a hash, nginx would not start.
 */
export const MOST_HASHED = 46

/** `value`, if it is the name of an upstream or a route. Throws otherwise. */
export function nameWord(value: string): string {
  if (!isName(value)) {
    throw new SluiceError('internal', `not a name: ${JSON.stringify(value)}`)
  }
  return value
}

function checkHost(host: string): string {
  if (!isHostPattern(host)) {
    throw new SluiceError('internal', `not a host: ${JSON.stringify(host)}`)
  }
  return host
}

export function isWild(host: string): boolean {
  return host.includes('*')
}

function isHashed(key: string): boolean {
  return key.length <= MOST_HASHED && !isWild(key)
}

/** Of what a name or host is made of, only `.` and `*` have a meaning in a regular expression. */
function pattern(key: string): Word {
  const some = key === '*' ? '.*' : key.replaceAll('.', '[.]').replace(/^\*|\*$/, '.+')
  return { text: `~^${some}$` }
}

/** Some words mean something else in a map unless a backslash precedes them. */
function mapKey(key: string): Word {
  if (!isHashed(key)) {
    return pattern(key)
  }
  return plain(/^(default|hostnames|include|volatile)$/.test(key) ? `\\${key}` : key)
}

/** The key of a map of upstreams. */
export function nameKey(value: string): Word {
  return mapKey(nameWord(value))
}

/** The key of a map of protocols. */
export function protocolKey(value: string): Word {
  if (!isProtocol(value)) {
    throw new Error(`${value} is no protocol`)
  }
  return mapKey(value)
}

/** The key of a map of hosts. */
export function hostKey(host: string): Word {
  return mapKey(checkHost(host))
}

/** The map key of a name that TLS clients ask for. A certificate's wildcard is for one label. */
export function tlsNameKey(name: string): Word {
  const text = checkHost(name).replaceAll('.', '[.]').replace(/^\*/, '[^.]+')
  return isHashed(name) ? mapKey(name) : { text: `"~*^${text}$"` }
}

/**
 * The map key of what connections ask for: `tcp*9100`, `tls*app.example.com`, or
 * `tls**.example.com` for all names below.
 */
export function claimKey(claim: string): Word {
  if (!/^[a-z0-9_*.-]+$/.test(claim)) {
    throw new SluiceError('internal', `not a claim: ${JSON.stringify(claim)}`)
  }
  const some = claim.replaceAll('.', '[.]').replace('**', '*.+').replace('*', '[*]')
  return claim.length <= MOST_HASHED && !claim.includes('**')
    ? plain(claim)
    : { text: `"~*^${some}$"` }
}

/** For `server_name`. */
export function serverName(host: string): Word {
  return isHashed(checkHost(host)) ? plain(host) : pattern(host)
}

/**
 * The order in which hosts must stand in a file: nginx asks its hash first and then tries regular
 * expressions one by one. With wildcards last, the longest first, what fits best is found first.
 */
export function byServerNameOrder(a: { host: string }, b: { host: string }): number {
  const [first, second] = [a.host, b.host]
  const kind = hostKind(first) - hostKind(second)
  const length = isWild(first) ? second.length - first.length : 0
  return kind || length || (first < second ? -1 : 1)
}
