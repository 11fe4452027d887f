/**
 * Rules: what njs must know of an upstream whose policy asks for more than a draw. They stand in
 * the upstream's record, after the number of peer buckets. An upstream that needs none has none.
 *
 * The peers to choose from stand in two lists, as fixed-width entries, {@link CHUNK_ENTRIES} in a
 * key (`:web%0`, `:web%1`, …): first `count` entries that serve, then `spill` entries for when
 * those cannot (other zones, backups). The balance decides what the first list, the main one,
 * holds:
 *
 * - `n`, native: nothing. The slots choose, and the rules are for retries.
 * - `w` random, `t` randomTwo, `l` leastTime, `r` roundRobin: one whole cycle of smooth weighted
 *   round robin.
 * - `c` leastConn, `h` hash, `s` leastConn and randomTwo while a peer warms up: each peer once.
 *
 * A hash has a ring of {@link RING_POSITIONS} beside its list, {@link RING_CHUNK} in a key
 * (`:web=0`, `:web=1`, …). Each position is an index of the main list, as three digits to the base
 * 36. A peer stands there as often as its weight says.
 *
 * `:web$<name>` is the entry of the instance that a session names, then `u`, or `d` while it drains
 * and keeps its sessions. The name is a token of 16 hex digits for a cookie, the instance's id for
 * a route. `:web$` is the cookie's attributes.
 */
import { MOST_TRIES } from './limits.js'

export type RuleBalance = 'n' | 'w' | 't' | 'l' | 'r' | 'c' | 's' | 'h'

export interface Rules {
  balance: RuleBalance
  /** Entries of the main list. */
  count: number
  /** Entries of the spill list, which follows it: other zones first, then backups. */
  spill: number
  /** How many of them, at its end, are backups. */
  backups: number
  /**
   * What is hashed: a TextSource, or `network` (the first three bytes of an IPv4 address); '' for
   * none.
   */
  key: string
  /**
   * Sum of the weights of the peers in the main list, each counted once, where load is bounded;
   * else 0.
   */
  weights: number
  /** No peer takes more than this percentage of the average in flight; 0: unbounded. */
  loadPercent: number
  /** `cookie:<name>`, `route:<source>` or ''. */
  sticky: string
  /** Whether a peer has a limit, so that what is in flight must be counted. */
  capped: boolean
  /** Whether answers are counted: for leastTime and for outliers. */
  measured: boolean
  tries: number
  /** 0: none. */
  timeoutMs: number
  /** Bit i: RETRY_STATUSES[i] is tried again. */
  statuses: number
  nonIdempotent: boolean
  /** 0: no limit. */
  budgetPercent: number
  /**
   * SID of a peer that one request is to try, and the number of that trial; '' when there is
   * none.
   */
  trial: string
  /**
   * Over TLS: `verified:<name>`, or `any:<name>` where certificates are not verified, the name
   * maybe ''; then, where one is shown to peers, `:<certificate>`. '' for none.
   */
  tls: string
  /** What peers speak, `grpc` or `h2`; '' for HTTP/1.1. */
  protocol: string
  /** Over TLS or HTTP/2: whether nginx's kept pool has all peers that are up. */
  kept: boolean
}

export interface ListEntry {
  sid: string
  weight: number
  /** 0: no limit. */
  maxConns: number
}

/** Bits of RETRY_STATUSES, as `statuses` has them: all but 429. */
export const FAULT_BITS = 0b11110
export const CHUNK_ENTRIES = 12
/** SID, weight (4 digits), maxConns (5 digits). */
export const ENTRY_LENGTH = 41
/** What follows the SID of nearly all: weight 1, no limit. */
export const PLAIN_ENTRY = '000100000'
/**
 * A prime number, and nearly as many as nginx draws. The same for all, so that no change ever
 * deals all keys anew.
 */
export const RING_POSITIONS = 49999
export const RING_CHUNK = 160
/** Peers that three digits can name; a cycle is no longer either: nginx draws no finer. */
export const MOST_POSITIONS = 46656

function pad(value: number, digits: number): string {
  return ('00000' + value).slice(-digits)
}

export function printEntry(entry: ListEntry): string {
  return entry.sid + pad(entry.weight, 4) + pad(entry.maxConns, 5)
}

/** The entry that starts at `at` of `text`. */
export function parseEntry(text: string, at: number): ListEntry {
  return {
    sid: text.slice(at, at + 32),
    weight: Number(text.slice(at + 32, at + 36)),
    maxConns: Number(text.slice(at + 36, at + 41)),
  }
}

/** What nearly all rules are but for their first three. */
export function plainRules(balance: RuleBalance, count: number, spill: number): Rules {
  return {
    balance: balance,
    count: count,
    spill: spill,
    backups: 0,
    key: '',
    weights: 0,
    loadPercent: 0,
    sticky: '',
    capped: false,
    measured: false,
    tries: MOST_TRIES,
    timeoutMs: 0,
    statuses: 0,
    nonIdempotent: false,
    budgetPercent: 0,
    trial: '',
    tls: '',
    protocol: '',
    kept: false,
  }
}

type Fields = Record<string, string | number | boolean>

/**
 * `w 3 0`, and what is not plain by name:
 * `w 3 1 sticky=cookie:sid capped=true tls=verified:shop.internal`.
 */
export function printRules(rules: Rules): string {
  const plain = plainRules(rules.balance, rules.count, rules.spill) as unknown as Fields
  const fields = rules as unknown as Fields
  const named = Object.keys(plain).filter((name) => fields[name] !== plain[name])
  const first: string[] = [rules.balance, String(rules.count), String(rules.spill)]
  return first.concat(named.map((name) => name + '=' + fields[name])).join(' ')
}

/**
 * The rules in an upstream's record without its digest, `<buckets>[ <rules>]`; null when it has
 * none.
 */
export function parseRules(record: string): Rules | null {
  const parts = record.split(' ')
  if (parts.length < 4) {
    return null
  }
  const rules = plainRules(parts[1] as RuleBalance, Number(parts[2]), Number(parts[3]))
  const fields = rules as unknown as Fields
  for (let i = 4; i < parts.length; i++) {
    const part = parts[i] as string
    const equals = part.indexOf('=')
    const name = part.slice(0, equals)
    const text = part.slice(equals + 1)
    const plain = fields[name]
    fields[name] = typeof plain === 'number' ? Number(text) : plain === false || text
  }
  return rules
}
