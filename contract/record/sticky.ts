/** How a client is recognised: by a text of its requests, or by a cookie that it was given. */
import { right, wrong } from '../guard/guarded.js'
import type { Guarded, FieldRule, Fields } from '../guard/guarded.js'
import { guardPart, isFlag, oneOf, wholeRule } from '../guard/part.js'

/**
 * Where a text is taken from a request: `address`, `uri`, `header:X-User`, `cookie:user`,
 * `argument:id`. Header names are kept in lower case.
 */
export type TextSource = string

/** A cookie that the gateway gives. */
export interface GivenCookie {
  name: string
  /** Absent: until the browser closes. */
  ttlMs?: number
  path: string
  secure: boolean
  httpOnly: boolean
  sameSite: 'strict' | 'lax' | 'none'
}

export interface CookiePolicy extends GivenCookie {
  by: 'cookie'
  /** Whether an instance that drains keeps the sessions it has. */
  keepDraining: boolean
}

/**
 * The request names an instance by its id; of `abc.web-1` (as servers of Java write it) what
 * follows the last dot counts.
 */
export interface RoutePolicy {
  by: 'route'
  key: TextSource
  keepDraining: boolean
}

/** A year. */
const MOST_MS = 365 * 86400000
const TOKEN = /^[A-Za-z0-9_-]{1,64}$/

export function isSource(value: unknown): boolean {
  return (
    typeof value === 'string' &&
    /^(address|uri|(header|cookie|argument):[A-Za-z0-9_-]{1,64})$/.test(value)
  )
}

export const SOURCE_MESSAGE =
  'must be address, uri, header:<name>, cookie:<name> or argument:<name>'

const BY: FieldRule = ['by', oneOf(['cookie', 'route']), 'must be cookie or route']
const KEEP_DRAINING: FieldRule = ['keepDraining', isFlag, 'must be true or false']
/** Of a GivenCookie. */
export const COOKIE: FieldRule[] = [
  ['name', (v) => typeof v === 'string' && TOKEN.test(v), 'must be letters, digits, _ and -'],
  wholeRule('ttlMs', 1000, MOST_MS),
  ['path', (v) => typeof v === 'string' && /^\/[\w./~-]{0,255}$/.test(v), 'must be a plain path'],
  ['secure', isFlag, 'must be true or false'],
  ['httpOnly', isFlag, 'must be true or false'],
  ['sameSite', oneOf(['strict', 'lax', 'none']), 'must be strict, lax or none'],
]

export function spellSource(key: TextSource): TextSource {
  return key.indexOf('header:') === 0 ? key.toLowerCase() : key
}

/** Of the fields of a cookie named `name`. */
export function cookieDefaults(name: string): Fields {
  return { name: name, path: '/', secure: false, httpOnly: true, sameSite: 'lax' }
}

/** The cookie, unless browsers would refuse it. */
export function passable<T extends GivenCookie>(cookie: Guarded<T>): Guarded<T> {
  return cookie.ok && cookie.value.sameSite === 'none' && !cookie.value.secure
    ? wrong('secure', 'must be true with sameSite none: browsers refuse such a cookie')
    : cookie
}

export function guardSticky(value: unknown): Guarded<CookiePolicy | RoutePolicy> {
  const by = typeof value === 'object' && value !== null ? (value as Fields).by : undefined
  if (by === 'route') {
    const rules: FieldRule[] = [BY, ['key', isSource, SOURCE_MESSAGE], KEEP_DRAINING]
    const route = guardPart<RoutePolicy>(value, rules, { keepDraining: false }, ['key'])
    return route.ok
      ? right(Object.assign({}, route.value, { key: spellSource(route.value.key) }))
      : route
  }
  const rules = [BY].concat(COOKIE, [KEEP_DRAINING])
  const defaults = Object.assign({ keepDraining: false }, cookieDefaults('sluice'))
  return passable(guardPart<CookiePolicy>(value, rules, defaults, ['by']))
}
