/**
 * How an upstream's peers are chosen, and what becomes of those that fail: the policy's shape and
 * its guard.
 */
import { guardCheckPolicy } from './check-policy.js'
import type { CheckPolicy } from './check-policy.js'
import { fieldIn, wrong } from '../guard/guarded.js'
import type { Guarded, FieldRule, Fields } from '../guard/guarded.js'
import { guardPart, isFlag, oneOf, wholeRule } from '../guard/part.js'
import { RETRY_STATUSES } from './retry-statuses.js'
import { SOURCE_MESSAGE, guardSticky, isSource, spellSource } from './sticky.js'
import type { CookiePolicy, RoutePolicy, TextSource } from './sticky.js'

export type BalancePolicy =
  'random' | 'roundRobin' | 'leastConn' | 'randomTwo' | 'leastTime' | 'hash' | 'ipHash'

interface HashPolicy {
  key: TextSource
  /**
   * 110 to 1000: no peer takes more than this share of the average load; its keys go on to the
   * next. Absent: unbounded.
   */
  loadPercent?: number
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
  /**
   * Ejected too when this share of at least {@link OUTLIER_REQUESTS} requests were answered 5xx or
   * not at all.
   */
  errorPercent?: number
  /** Ejected too when the mean time to answer is this percentage of the median of the others. */
  latencyPercent?: number
  /** At most this share of the instances is ejected. */
  mostPercent: number
  /** Where no more than this share would serve, ejections are ignored. 0: only where none would. */
  panicPercent: number
}

/**
 * What a user may set; what is absent is {@link DEFAULT_RETRY}, {@link DEFAULT_EJECT}, or not done.
 */
export interface Policy {
  balance: BalancePolicy
  hash?: HashPolicy
  sticky?: CookiePolicy | RoutePolicy
  retry?: RetryPolicy
  eject?: EjectPolicy
  check?: CheckPolicy
  /** New and recovered instances get their share little by little over this time. */
  slowStartMs?: number
  /**
   * `ignore`: instances of all zones alike. Default `prefer`: those of the gateway's own zone
   * first.
   */
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
/**
 * nginx ejects at the first; but an instance that closes an idle connection looks like a failure,
 * and is none.
 */
export const DEFAULT_EJECT: EjectPolicy = {
  maxFails: 3,
  failTimeoutMs: 10000,
  mostPercent: 100,
  panicPercent: 0,
}

const BALANCES = 'random roundRobin leastConn randomTwo leastTime hash ipHash'.split(' ')
/** A day. */
const MOST_MS = 86400000

function isStatuses(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      (status: number, i) => RETRY_STATUSES.indexOf(status) >= 0 && value.indexOf(status) === i,
    )
  )
}

const HASH: FieldRule[] = [['key', isSource, SOURCE_MESSAGE], wholeRule('loadPercent', 110, 1000)]
const RETRY: FieldRule[] = [
  wholeRule('tries', 1, 8),
  wholeRule('timeoutMs', 0, 600000),
  ['statuses', isStatuses, 'must be a list of some of ' + RETRY_STATUSES.join(', ')],
  ['nonIdempotent', isFlag, 'must be true or false'],
  wholeRule('budgetPercent', 1, 100),
]
const EJECT: FieldRule[] = [
  wholeRule('maxFails', 0, 1000),
  wholeRule('failTimeoutMs', 100, MOST_MS),
  wholeRule('errorPercent', 1, 100),
  wholeRule('latencyPercent', 110, 10000),
  wholeRule('mostPercent', 1, 100),
  wholeRule('panicPercent', 0, 99),
]

function guardHash(value: unknown): Guarded<HashPolicy> {
  const guarded = guardPart<HashPolicy>(value, HASH, {}, ['key'])
  return guarded.ok
    ? { ok: true, value: Object.assign({}, guarded.value, { key: spellSource(guarded.value.key) }) }
    : guarded
}

const PARTS: { [field: string]: (value: unknown) => Guarded<unknown> } = {
  hash: guardHash,
  sticky: guardSticky,
  retry: (value) => guardPart(value, RETRY, DEFAULT_RETRY as unknown as Fields, []),
  eject: (value) => guardPart(value, EJECT, DEFAULT_EJECT as unknown as Fields, []),
  check: guardCheckPolicy,
}

const SCALARS: FieldRule[] = [
  ['balance', oneOf(BALANCES), 'must be one of ' + BALANCES.join(', ')],
  wholeRule('slowStartMs', 0, 3600000),
  ['zone', oneOf(['prefer', 'ignore']), 'must be prefer or ignore'],
]

/**
 * `{balance: "hash", hash: {key: "cookie:user"}}` → the same with the defaults of each part that is
 * given.
 */
export function guardPolicy(value: unknown): Guarded<Policy> {
  const parts = Object.keys(PARTS)
  const rules = SCALARS.concat(parts.map((part): FieldRule => [part, () => true, '']))
  const shape = guardPart<Fields>(value, rules, DEFAULT_POLICY as unknown as Fields, [])
  if (!shape.ok) {
    return shape
  }
  const policy = Object.assign({}, shape.value)
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as string
    if (policy[part] !== undefined) {
      const guarded = (PARTS[part] as (value: unknown) => Guarded<unknown>)(policy[part])
      if (!guarded.ok) {
        return wrong(fieldIn(part, guarded.field), guarded.message)
      }
      policy[part] = guarded.value
    }
  }
  if ((policy.balance === 'hash') !== (policy.hash !== undefined)) {
    return wrong('hash', 'and balance "hash" go together: give both or neither')
  }
  return { ok: true, value: policy as unknown as Policy }
}
