/**
 * What a request, or the hop, must know of an upstream whose policy asks for more than a draw. It stands in the upstream's
 * record, after the number of peer buckets; an upstream that needs none of it has none.
 *
 * The peers to choose from stand in two lists, as fixed-width entries, {@link CHUNK_ENTRIES} in a key (`:web%0`, `:web%1`, …): first
 * `count` entries that serve, then `spill` entries for when those cannot (other zones, backups). What is in the first
 * depends on the balance:
 *
 * | balance | main list |
 * |---|---|
 * | `n` native: the slots choose; the rules are for retries | none |
 * | `w` random, `t` randomTwo, `l` leastTime, `r` roundRobin | one whole cycle of smooth weighted round robin |
 * | `c` leastConn, `h` hash, `s` leastConn and randomTwo while somebody warms up | each peer once |
 *
 * A hash has a ring of {@link RING_POSITIONS} beside its list, {@link RING_CHUNK} in a key (`:web=0`, `:web=1`, …): of each position the
 * index in the main list, as three digits to the base 36. A peer stands there as often as its weight says.
 *
 * `:web$<name>` is the entry of the instance that a session names, then `u`, or `d` while it drains and keeps its sessions:
 * by a token of 16 hex digits for a cookie, by the instance's id for a route. `:web$` is the cookie's attributes.
 */
export type RuleBalance = 'n' | 'w' | 't' | 'l' | 'r' | 'c' | 's' | 'h'

export interface Rules {
  balance: RuleBalance
  /** Entries of the main list. */
  count: number
  /** Entries of the spill list, which follows it: other zones first, then backups. */
  spill: number
  /** How many of them, at its end, are backups. */
  backups: number
  /** What is hashed: a TextSource, or `network` (the first three bytes of an IPv4 address); '' for none. */
  key: string
  /** Sum of the weights of the peers in the main list, each counted once. */
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
  /** SID of a peer that one request is to try, and the number of that trial; '' when there is none. */
  trial: string
  /** Over TLS: `verified:<name>`, or `any:<name>` where certificates are not verified, the name maybe ''; then, where one is shown to peers, `:<certificate>`. '' for none. */
  tls: string
  /** Whether peers speak gRPC, and nothing else. */
  grpc: boolean
}

export interface Entry {
  sid: string
  weight: number
  /** 0: no limit. */
  maxConns: number
}

/** Answers that a policy may have tried again. */
export const RETRY_STATUSES = [429, 500, 502, 503, 504]
export const CHUNK_ENTRIES = 12
/** SID, weight (4 digits), maxConns (5 digits). */
export const ENTRY_LENGTH = 41
/** A prime number, and nearly as many as nginx draws. The same for all, so that no change ever deals all keys anew. */
export const RING_POSITIONS = 49999
export const RING_CHUNK = 160
/** Peers that three digits can name; a cycle is no longer either: nginx draws no finer. */
export const MOST_POSITIONS = 46656

function pad(value: number, digits: number): string {
  return ('00000' + value).slice(-digits)
}

export function printEntry(entry: Entry): string {
  return entry.sid + pad(entry.weight, 4) + pad(entry.maxConns, 5)
}

/** The entry that starts at `at` of `text`. */
export function parseEntry(text: string, at: number): Entry {
  return {
    sid: text.slice(at, at + 32),
    weight: Number(text.slice(at + 32, at + 36)),
    maxConns: Number(text.slice(at + 36, at + 41)),
  }
}

function orDash(text: string): string {
  return text === '' ? '-' : text
}

function orNone(text: string | undefined): string {
  return text === undefined || text === '-' ? '' : text
}

/** `w 3 0 0 - 3 0 cookie:sid 1 0 8 0 0 0 0 - verified:shop.internal 1` */
export function printRules(rules: Rules): string {
  return [
    rules.balance,
    rules.count,
    rules.spill,
    rules.backups,
    orDash(rules.key),
    rules.weights,
    rules.loadPercent,
    orDash(rules.sticky),
    rules.capped ? 1 : 0,
    rules.measured ? 1 : 0,
    rules.tries,
    rules.timeoutMs,
    rules.statuses,
    rules.nonIdempotent ? 1 : 0,
    rules.budgetPercent,
    orDash(rules.trial),
    orDash(rules.tls),
    rules.grpc ? 1 : 0,
  ].join(' ')
}

/** The rules in an upstream's record without its digest, `<buckets>[ <rules>]`; null when it has none. */
export function parseRules(record: string): Rules | null {
  const parts = record.split(' ')
  if (parts.length < 17) {
    return null
  }
  return {
    balance: parts[1] as RuleBalance,
    count: Number(parts[2]),
    spill: Number(parts[3]),
    backups: Number(parts[4]),
    key: orNone(parts[5]),
    weights: Number(parts[6]),
    loadPercent: Number(parts[7]),
    sticky: orNone(parts[8]),
    capped: parts[9] === '1',
    measured: parts[10] === '1',
    tries: Number(parts[11]),
    timeoutMs: Number(parts[12]),
    statuses: Number(parts[13]),
    nonIdempotent: parts[14] === '1',
    budgetPercent: Number(parts[15]),
    trial: orNone(parts[16]),
    tls: orNone(parts[17]),
    grpc: parts[18] === '1',
  }
}
