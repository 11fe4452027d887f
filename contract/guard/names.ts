/**
 * The strict grammar of every name that comes from outside. A name that passes here may be part of
 * a registry key, a dict key or an nginx configuration; nothing else may.
 */

const UPSTREAM = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const INSTANCE_ID = /^[A-Za-z0-9_.:-]{1,128}$/
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/
const PATH_PREFIX = /^\/[A-Za-z0-9._~!$&'()*+,;=:@/-]{0,254}$/

/** What {@link isName} asks, for error messages. */
export const NAME_RULE = 'must be 1 to 63 characters of a-z 0-9 -, and neither begin nor end with -'

/**
 * `web`, `api-2`: an upstream's name, a route's id, a cluster's name, an agent's and a gateway's
 * id. 1 to 63 characters.
 */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && UPSTREAM.test(value)
}

/** `3f2c9a:web:80`: 1 to 128 characters of `A-Z a-z 0-9 _ . : -`, but not `.` or `..`. */
export function isInstanceId(value: unknown): value is string {
  return typeof value === 'string' && INSTANCE_ID.test(value) && value !== '.' && value !== '..'
}

/**
 * A host as nginx's `$host` prints it: lower case, no port, no trailing dot. At most 253
 * characters.
 */
export function isHost(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length <= 253 &&
    value.split('.').every(function (label) {
      return LABEL.test(label)
    })
  )
}

/**
 * A host; or one with a wildcard for one or more labels at an end, `*.example.com` or
 * `www.example.*`; or `*`.
 */
export function isHostPattern(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > 253) {
    return false
  }
  return (
    value === '*' || isHost(value.indexOf('*.') === 0 ? value.slice(2) : value.replace(/\.\*$/, ''))
  )
}

/**
 * Of a pattern: 0 for an exact host, 1 with a wildcard in front, 2 with one behind, 3 for any host:
 * nginx's order.
 */
export function hostKind(host: string): number {
  return host === '*' ? 3 : host.indexOf('*') === 0 ? 1 : host.indexOf('*') > 0 ? 2 : 0
}

/**
 * `/` or `/api`: plain path characters, no `%`, no `//`, no `.` or `..` segment, no trailing `/`
 * but in `/` itself.
 */
export function isPathPrefix(value: unknown): value is string {
  if (typeof value !== 'string' || !PATH_PREFIX.test(value)) {
    return false
  }
  if (value === '/') {
    return true
  }
  return value
    .slice(1)
    .split('/')
    .every(function (segment) {
      return segment !== '' && segment !== '.' && segment !== '..'
    })
}

/** A whole number from `least` to `most`. */
export function isWhole(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
}
