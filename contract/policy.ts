/** How an upstream's peers are chosen, and what becomes of those that fail: the policy's shape and its guard. */
import { checkCheckPolicy } from './check-policy.js'
import type { CheckPolicy } from './check-policy.js'
import { brokenRule, checkShape, right, within, wrong } from './checked.js'
import type { Checked, FieldRule, Fields } from './checked.js'
import { isWhole } from './names.js'
import { RETRY_STATUSES } from './rules.js'

export type Balance =
  'random' | 'roundRobin' | 'leastConn' | 'randomTwo' | 'leastTime' | 'hash' | 'ipHash'

/**
 * Where a text is taken from a request: `address`, `uri`, `header:X-User`, `cookie:user`, `argument:id`. Header names are
 * kept in lower case.
 */
export type TextSource = string

export interface HashPolicy {
  key: TextSource
  /** 110 to 1000: no peer takes more than this share of the average load; its keys go on to the next. Absent: unbounded. */
  loadPercent?: number
}

export interface CookiePolicy {
  by: 'cookie'
  name: string
  /** Absent: until the browser closes. */
  ttlMs?: number
  path: string
  secure: boolean
  httpOnly: boolean
  sameSite: 'strict' | 'lax' | 'none'
  /** Whether an instance that drains keeps the sessions it has. */
  keepDraining: boolean
}

/** The request names an instance by its id; of `abc.web-1` (as servers of Java write it) what follows the last dot counts. */
export interface RoutePolicy {
  by: 'route'
  key: TextSource
  keepDraining: boolean
}

export interface RetryPolicy {
  /** Tries of one request, the first included. */
  tries: number
  /** No further try begins after this; 0: no limit. */
  timeoutMs: number
  /** Answers that are tried again, of {@link RETRY_STATUSES}. */
  statuses: number[]
  /** Whether POST, PATCH and LOCK are tried again though they were sent. */
  nonIdempotent: boolean
  /** 1 to 100: retries are at most this share of the requests. Absent: no limit. */
  budgetPercent?: number
}

export interface EjectPolicy {
  /** Failures within `failTimeoutMs` that eject for `failTimeoutMs`; 0: never. */
  maxFails: number
  failTimeoutMs: number
  /** Ejected too when this share of at least {@link OUTLIER_REQUESTS} requests were answered 5xx or not at all. */
  errorPercent?: number
  /** Ejected too when the mean time to answer is this percentage of the median of the others. */
  latencyPercent?: number
  /** At most this share of the instances is ejected. */
  mostPercent: number
  /** Where no more than this share would serve, ejections are ignored. 0: only where none would. */
  panicPercent: number
}

/** What a user may set; what is absent is {@link DEFAULT_RETRY}, {@link DEFAULT_EJECT}, or not done. */
export interface Policy {
  balance: Balance
  hash?: HashPolicy
  sticky?: CookiePolicy | RoutePolicy
  retry?: RetryPolicy
  eject?: EjectPolicy
  check?: CheckPolicy
  /** New and recovered instances get their share little by little over this time. */
  slowStartMs?: number
  /** `ignore`: instances of all zones alike. Default `prefer`: those of the gateway's own zone first. */
  zone?: 'prefer' | 'ignore'
}

export const OUTLIER_REQUESTS = 20

/** Whether answers have to be counted to eject. */
export function findsOutliers(eject: EjectPolicy): boolean {
  return eject.errorPercent !== undefined || eject.latencyPercent !== undefined
}

export const DEFAULT_POLICY: Policy = { balance: 'random' }
export const DEFAULT_RETRY: RetryPolicy = {
  tries: 8,
  timeoutMs: 0,
  statuses: [],
  nonIdempotent: false,
}
/** nginx ejects at the first; but an instance that closes an idle connection looks like a failure, and is none. */
export const DEFAULT_EJECT: EjectPolicy = {
  maxFails: 3,
  failTimeoutMs: 10000,
  mostPercent: 100,
  panicPercent: 0,
}

const BALANCES = 'random roundRobin leastConn randomTwo leastTime hash ipHash'.split(' ')
/** A day. */
const MOST_MS = 86400000
const TOKEN = /^[A-Za-z0-9_-]{1,64}$/

function isSource(value: unknown): boolean {
  return (
    typeof value === 'string' &&
    /^(address|uri|(header|cookie|argument):[A-Za-z0-9_-]{1,64})$/.test(value)
  )
}

function isFlag(value: unknown): boolean {
  return typeof value === 'boolean'
}

function oneOf(words: string[]): (value: unknown) => boolean {
  return (value) => typeof value === 'string' && words.indexOf(value) >= 0
}

function whole(field: string, low: number, high: number): FieldRule {
  return [
    field,
    (value) => isWhole(value, low, high),
    'must be a whole number from ' + low + ' to ' + high,
  ]
}

function isStatuses(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      (status: number, i) => RETRY_STATUSES.indexOf(status) >= 0 && value.indexOf(status) === i,
    )
  )
}

const SOURCE_MESSAGE = 'must be address, uri, header:<name>, cookie:<name> or argument:<name>'

const HASH: FieldRule[] = [['key', isSource, SOURCE_MESSAGE], whole('loadPercent', 110, 1000)]
const ROUTE: FieldRule[] = [
  ['by', oneOf(['route']), 'must be cookie or route'],
  ['key', isSource, SOURCE_MESSAGE],
  ['keepDraining', isFlag, 'must be true or false'],
]
const COOKIE: FieldRule[] = [
  ['by', oneOf(['cookie']), 'must be cookie or route'],
  ['name', (v) => typeof v === 'string' && TOKEN.test(v), 'must be letters, digits, _ and -'],
  whole('ttlMs', 1000, 365 * MOST_MS),
  ['path', (v) => typeof v === 'string' && /^\/[\w./~-]{0,255}$/.test(v), 'must be a plain path'],
  ['secure', isFlag, 'must be true or false'],
  ['httpOnly', isFlag, 'must be true or false'],
  ['sameSite', oneOf(['strict', 'lax', 'none']), 'must be strict, lax or none'],
  ['keepDraining', isFlag, 'must be true or false'],
]
const RETRY: FieldRule[] = [
  whole('tries', 1, 8),
  whole('timeoutMs', 0, 600000),
  ['statuses', isStatuses, 'must be a list of some of ' + RETRY_STATUSES.join(', ')],
  ['nonIdempotent', isFlag, 'must be true or false'],
  whole('budgetPercent', 1, 100),
]
const EJECT: FieldRule[] = [
  whole('maxFails', 0, 1000),
  whole('failTimeoutMs', 100, MOST_MS),
  whole('errorPercent', 1, 100),
  whole('latencyPercent', 110, 10000),
  whole('mostPercent', 1, 100),
  whole('panicPercent', 0, 99),
]

/** `defaults` are the fields that need not be given; a field that is in neither is optional unless `required` names it. */
function checkPart<T>(
  value: unknown,
  rules: FieldRule[],
  defaults: Fields,
  required: string[],
): Checked<T> {
  const known = rules.map((rule) => rule[0])
  const shape = checkShape(value, known)
  if (!shape.ok) {
    return shape
  }
  const fields: Fields = Object.assign({}, defaults, shape.value)
  const missing = required.filter((field) => fields[field] === undefined)
  if (missing.length > 0) {
    return wrong(missing[0] as string, 'is missing')
  }
  const bad = brokenRule(fields, rules, [])
  return bad === undefined ? right(fields as unknown as T) : wrong(bad[0], bad[2])
}

function lowerHeader(key: TextSource): TextSource {
  return key.indexOf('header:') === 0 ? key.toLowerCase() : key
}

function checkHash(value: unknown): Checked<HashPolicy> {
  const checked = checkPart<HashPolicy>(value, HASH, {}, ['key'])
  return checked.ok
    ? { ok: true, value: Object.assign({}, checked.value, { key: lowerHeader(checked.value.key) }) }
    : checked
}

function checkSticky(value: unknown): Checked<CookiePolicy | RoutePolicy> {
  const by = typeof value === 'object' && value !== null ? (value as Fields).by : undefined
  if (by === 'route') {
    const route = checkPart<RoutePolicy>(value, ROUTE, { keepDraining: false }, ['key'])
    return route.ok
      ? { ok: true, value: Object.assign({}, route.value, { key: lowerHeader(route.value.key) }) }
      : route
  }
  const defaults = {
    name: 'sluice',
    path: '/',
    secure: false,
    httpOnly: true,
    sameSite: 'lax',
    keepDraining: false,
  }
  const cookie = checkPart<CookiePolicy>(value, COOKIE, defaults, ['by'])
  return cookie.ok && cookie.value.sameSite === 'none' && !cookie.value.secure
    ? wrong('secure', 'must be true with sameSite none: browsers refuse such a cookie')
    : cookie
}

const PARTS: { [field: string]: (value: unknown) => Checked<unknown> } = {
  hash: checkHash,
  sticky: checkSticky,
  retry: (value) => checkPart(value, RETRY, DEFAULT_RETRY as unknown as Fields, []),
  eject: (value) => checkPart(value, EJECT, DEFAULT_EJECT as unknown as Fields, []),
  check: checkCheckPolicy,
}

const SCALARS: FieldRule[] = [
  ['balance', oneOf(BALANCES), 'must be one of ' + BALANCES.join(', ')],
  whole('slowStartMs', 0, 3600000),
  ['zone', oneOf(['prefer', 'ignore']), 'must be prefer or ignore'],
]

/** `{balance: "hash", hash: {key: "cookie:user"}}` → the same with the defaults of each part that is given. */
export function checkPolicy(value: unknown): Checked<Policy> {
  const parts = Object.keys(PARTS)
  const rules = SCALARS.concat(parts.map((part): FieldRule => [part, () => true, '']))
  const shape = checkPart<Fields>(value, rules, DEFAULT_POLICY as unknown as Fields, [])
  if (!shape.ok) {
    return shape
  }
  const policy = Object.assign({}, shape.value)
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as string
    if (policy[part] !== undefined) {
      const checked = (PARTS[part] as (value: unknown) => Checked<unknown>)(policy[part])
      if (!checked.ok) {
        return wrong(within(part, checked.field), checked.message)
      }
      policy[part] = checked.value
    }
  }
  if ((policy.balance === 'hash') !== (policy.hash !== undefined)) {
    return wrong('hash', 'and balance "hash" go together: give both or neither')
  }
  return { ok: true, value: policy as unknown as Policy }
}
