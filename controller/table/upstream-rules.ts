/** An upstream's policy → what a request must know of it (contract/table/rules.ts). Pure. */
import { createHmac } from 'node:crypto'
import { DEFAULT_RETRY, findsOutliers } from '../../contract/record/policy.js'
import type { PeerTls } from '../../contract/record/peer-tls.js'
import type { BalancePolicy, Policy } from '../../contract/record/policy.js'
import type { UpstreamRecord } from '../../contract/record/upstream-record.js'
import { CHUNK_ENTRIES, RING_CHUNK, printEntry } from '../../contract/table/rules.js'
import type { RuleBalance, Rules } from '../../contract/table/rules.js'
import { RETRY_STATUSES } from '../../contract/record/retry-statuses.js'
import type { GivenCookie } from '../../contract/record/sticky.js'
import { cycleOf, ringOf } from './peer-lists.js'
import type { Peer } from './peers.js'
import type { Tiers } from './tiers.js'

/** What an upstream's rules are made of. */
export type UpstreamSettings = Pick<UpstreamRecord, 'policy' | 'tls' | 'protocol'>

/** Rules, and the keys below the unit's name that they choose from. */
export interface Ruled {
  rules: Rules
  entries: ReadonlyMap<string, string>
}

const LETTERS: Record<BalancePolicy, RuleBalance> = {
  random: 'w',
  roundRobin: 'r',
  leastConn: 'c',
  randomTwo: 't',
  leastTime: 'l',
  hash: 'h',
  ipHash: 'h',
}

function isMeasured({ balance, eject }: Policy): boolean {
  return balance === 'leastTime' || (eject !== undefined && findsOutliers(eject))
}

/**
 * Undefined when slots say all of it. `n` when slots still choose and the hop alone reads the
 * rules, which it does only once a try has failed.
 *
 * What the front must know before it sends a request needs rules that choose: an answer that the
 * hop must look at, a POST that nginx would not repeat, requests that a budget counts, TLS, gRPC.
 */
function letterOf(
  { policy, tls, protocol }: UpstreamSettings,
  peers: Peer[],
  { main }: Tiers,
): RuleBalance | undefined {
  const retry = policy.retry ?? DEFAULT_RETRY
  const isCapped = peers.some(({ maxConns }) => maxConns > 0)
  const isForHop =
    retry.statuses.length > 0 || retry.nonIdempotent || tls !== undefined || protocol !== undefined
  const isForFront = isForHop || retry.budgetPercent !== undefined
  const chooses = policy.balance !== 'random' || policy.sticky !== undefined || isForFront
  if (chooses || isCapped || isMeasured(policy)) {
    const letter = LETTERS[policy.balance]
    return 'ct'.includes(letter) && main.some(({ warming }) => warming) ? 's' : letter
  }
  const isDefault =
    retry.tries === DEFAULT_RETRY.tries && retry.timeoutMs === DEFAULT_RETRY.timeoutMs
  return isDefault ? undefined : 'n'
}

function mainList(letter: RuleBalance, { main }: Tiers): Peer[] {
  switch (letter) {
    case 'n':
      return []
    case 'c':
    case 's':
    case 'h':
      return main
    case 'w':
    case 't':
    case 'l':
    case 'r':
      return main.length === 0 ? [] : cycleOf(main)
  }
}

function keyOf(policy: Policy): string {
  return policy.balance === 'ipHash' ? 'network' : (policy.hash?.key ?? '')
}

function stickyOf({ sticky }: Policy): string {
  if (sticky === undefined) {
    return ''
  }
  return sticky.by === 'cookie' ? `cookie:${sticky.name}` : `route:${sticky.key}`
}

/** One at a time: the one whose turn has the lowest number, so that all have theirs. */
function trialOf(peers: Peer[]): string {
  const [next] = peers
    .filter(({ trial }) => trial > 0)
    .sort((a, b) => a.trial - b.trial || (a.sid < b.sid ? -1 : 1))
  return next === undefined ? '' : `${next.trial}${next.sid}`
}

function retryRules(
  policy: Policy,
): Pick<Rules, 'tries' | 'timeoutMs' | 'statuses' | 'nonIdempotent' | 'budgetPercent'> {
  const { tries, timeoutMs, statuses, nonIdempotent, budgetPercent } = policy.retry ?? DEFAULT_RETRY
  return {
    tries,
    timeoutMs,
    statuses: RETRY_STATUSES.reduce(
      (bits, status, i) => bits + (statuses.includes(status) ? 2 ** i : 0),
      0,
    ),
    nonIdempotent,
    budgetPercent: budgetPercent ?? 0,
  }
}

/** How much of the average load a peer may take; without a limit the weights are of no use. */
function loadRules({ hash }: Policy, { main }: Tiers): Pick<Rules, 'weights' | 'loadPercent'> {
  const loadPercent = hash?.loadPercent ?? 0
  const weights = loadPercent === 0 ? 0 : main.reduce((sum, { weight }) => sum + weight, 0)
  return { weights, loadPercent }
}

/** `; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax`: what follows `name=value`. */
export function cookieAttributes(cookie: GivenCookie): string {
  const { ttlMs, sameSite } = cookie
  return [
    `; Path=${cookie.path}`,
    ttlMs === undefined ? '' : `; Max-Age=${Math.ceil(ttlMs / 1000)}`,
    cookie.httpOnly ? '; HttpOnly' : '',
    cookie.secure ? '; Secure' : '',
    `; SameSite=${sameSite.charAt(0).toUpperCase()}${sameSite.slice(1)}`,
  ].join('')
}

/**
 * What a session's cookie calls an instance. It is the same on all gateways, and nobody without the
 * key can tell it.
 */
export function tokenOf(sessionKey: string, upstream: string, id: string): string {
  return createHmac('sha256', sessionKey).update(`${upstream}/${id}`).digest('hex').slice(0, 16)
}

/** What each peer is called by a cookie; '' for all without such a policy, or without a key. */
export function tokensOf(
  policy: Policy,
  sessionKey: string | undefined,
  upstream: string,
): (peer: Peer) => string {
  return policy.sticky?.by === 'cookie' && sessionKey !== undefined
    ? ({ id }) => tokenOf(sessionKey, upstream, id)
    : () => ''
}

/**
 * Of several instances at one address only the one that is shown has a session's key. A controller
 * that takes a table over finds these keys by the peers' lines, so none is left behind.
 */
function addSessions(
  entries: Map<string, string>,
  policy: Policy,
  peers: Peer[],
  tokenFor: (peer: Peer) => string,
): void {
  const { sticky } = policy
  if (sticky === undefined) {
    return
  }
  if (sticky.by === 'cookie') {
    entries.set('$', cookieAttributes(sticky))
  }
  for (const peer of peers) {
    if (peer.up || (sticky.keepDraining && peer.draining)) {
      const name = sticky.by === 'cookie' ? tokenFor(peer) : peer.id
      if (name !== '') {
        entries.set(`$${name}`, printEntry(peer) + (peer.up ? 'u' : 'd'))
      }
    }
  }
}

function addChunks(entries: Map<string, string>, list: Peer[]): void {
  const printed = new Map<Peer, string>()
  for (let i = 0; i < list.length; i += CHUNK_ENTRIES) {
    const texts = list.slice(i, i + CHUNK_ENTRIES).map((peer) => {
      const text = printed.get(peer) ?? printEntry(peer)
      printed.set(peer, text)
      return text
    })
    entries.set(`%${i / CHUNK_ENTRIES}`, texts.join(''))
  }
}

/** Nobody up: no ring. */
function addRing(entries: Map<string, string>, list: Peer[]): void {
  const digits = new Map(list.map((peer, i) => [peer, i.toString(36).padStart(3, '0')]))
  const ring = ringOf(list).map((peer) => digits.get(peer) ?? '')
  for (let i = 0; i < ring.length; i += RING_CHUNK) {
    entries.set(`=${i / RING_CHUNK}`, ring.slice(i, i + RING_CHUNK).join(''))
  }
}

function addLists(
  entries: Map<string, string>,
  letter: RuleBalance,
  list: Peer[],
  spill: Peer[],
): void {
  addChunks(entries, [...list, ...spill])
  if (letter === 'h') {
    addRing(entries, list)
  }
}

/** As the table's reader has it. */
function tlsOf(tls: PeerTls | undefined): string {
  if (tls === undefined) {
    return ''
  }
  const { verify, serverName = '', certificate } = tls
  const shown = certificate === undefined ? '' : `:${certificate}`
  return `${verify ? 'verified' : 'any'}:${serverName}${shown}`
}

/** Undefined when an upstream needs no more than a draw. `peers`: all of them, up or not. */
export function ruledOf(
  settings: UpstreamSettings,
  peers: Peer[],
  tiers: Tiers,
  tokenFor: (peer: Peer) => string,
): Ruled | undefined {
  const { policy, tls, protocol } = settings
  const letter = letterOf(settings, peers, tiers)
  if (letter === undefined) {
    return undefined
  }
  const list = mainList(letter, tiers)
  const spill = letter === 'n' ? [] : tiers.spill
  const rules: Rules = {
    balance: letter,
    count: list.length,
    spill: spill.length,
    backups: spill.filter(({ backup }) => backup).length,
    key: keyOf(policy),
    ...loadRules(policy, tiers),
    sticky: stickyOf(policy),
    capped: peers.some(({ maxConns }) => maxConns > 0),
    measured: isMeasured(policy),
    ...retryRules(policy),
    trial: letter === 'n' ? '' : trialOf(peers),
    tls: tlsOf(tls),
    protocol: protocol ?? '',
    kept: false,
  }
  const entries = new Map<string, string>()
  addLists(entries, letter, list, spill)
  addSessions(entries, policy, peers, tokenFor)
  return { rules, entries }
}
