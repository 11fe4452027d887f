/**
 * What the hop and the judge say to each other: a question in the header that is a pick for others,
 * and a verdict in the header that is a report for others.
 */
import { parseEntry, printEntry } from '../../contract/table/rules.js'
import { SID_LENGTH } from '../../contract/table/table.js'
import type { PeerChoice } from '../choose/choice-types.js'
import type { Dict } from '../memory/dict.js'
import { findPeer, rulesOf } from '../table/peers.js'

export interface Question {
  /** `:web/7`, or with a split's arm `~canary:next/7`: whom another try would be drawn from. */
  key: string
  /** Bit i: RETRY_STATUSES[i] is tried again. */
  statuses: number
  /** Tries that the request may have, and what it took so far, in milliseconds. */
  most: number
  elapsedMs: number
  /** In whose name a place may be taken for the next try; '' for nobody. */
  waiter: string
  /** Of the current try: `:web`, and the instance's address. */
  upstream: string
  address: string
  /** SIDs, apart by spaces; the last one is the current. */
  tried: string
}

const NOBODY = '-'
const FIELDS = 7

export function printQuestion(q: Question): string {
  return [
    q.key,
    q.statuses,
    q.most,
    q.elapsedMs,
    q.waiter || NOBODY,
    q.upstream,
    q.address,
    q.tried,
  ].join(' ')
}

/**
 * Throws where it is none. nginx joins a client's `X_Sluice_Pick` to the hop's own header, behind
 * `, `: that is not read.
 */
export function parseQuestion(header: string | undefined): Question {
  const parts = ((header || '').split(', ', 1)[0] as string).split(' ')
  if (parts.length <= FIELDS) {
    throw new Error('the hop asked nothing')
  }
  return {
    key: parts[0] as string,
    statuses: Number(parts[1]),
    most: Number(parts[2]),
    elapsedMs: Number(parts[3]),
    waiter: parts[4] === NOBODY ? '' : (parts[4] as string),
    upstream: parts[5] as string,
    address: parts[6] as string,
    tried: parts.slice(FIELDS).join(' '),
  }
}

/**
 * `503 1 :web <entry>`: what was answered, that it was sent, and who is to be asked next. A SID in
 * place of the entry says that nothing of that one is to be counted, or that it is already.
 */
export function printVerdict(status: number, next: PeerChoice): string {
  const who = next.ruled === undefined ? next.peer.sid : printEntry(next.ruled.entry)
  return status + ' 1 ' + next.upstream + ' ' + who
}

/** The status that the instance answered; 0 where it answered nothing. */
export function statusIn(verdict: string): number {
  return parseInt(verdict, 10) || 0
}

/** Whether the instance was sent anything. nginx says how many bytes, or `-`. */
export function wasSentIn(verdict: string): boolean {
  return /[1-9]/.test(verdict.split(' ')[1] || '')
}

/** Who is to be asked next; null where the verdict names nobody, or the table has lost him. */
export function nextIn(verdict: string, table: Dict): PeerChoice | null {
  const parts = verdict.split(' ')
  const upstream = parts[2]
  const entry = parts[3]
  if (upstream === undefined || entry === undefined) {
    return null
  }
  const peer = findPeer(table, upstream, entry.slice(0, SID_LENGTH))
  const rules = rulesOf(table, upstream)
  if (peer === null) {
    return null
  }
  return rules === null || entry.length === SID_LENGTH
    ? { upstream: upstream, peer: peer }
    : { upstream: upstream, peer: peer, ruled: { rules: rules, entry: parseEntry(entry, 0) } }
}
