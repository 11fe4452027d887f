/**
 * What the hop and the judge say to each other: a question in the header that is a pick for others,
 * and a verdict in the header that is a report for others.
 */
import { parseEntry, printEntry } from '../../contract/table/rules.js'
import { Width } from '../../contract/table/table.js'
import type { PeerChoice } from '../choose/choice-types.js'
import type { Dict } from '../memory/dict.js'
import { findPeer, rulesOf } from '../table/peers.js'

export interface JudgeQuestion {
  /** The judge's location for peers of this kind. */
  location: string
  address: string
  /** The name that it is asked by over TLS, and the id of the certificate for it; '' for none. */
  tlsName: string
  certificate: string
  /** `:web/7`, or with a split's arm `~canary:next/7`: whom another try would be drawn from. */
  key: string
  /** Bit i: RETRY_STATUSES[i] is tried again. */
  statuses: number
  /** Tries that the request may have, and what it took so far, in milliseconds. */
  most: number
  elapsedMs: number
  /** In whose name a place may be taken for the next try; '' for nobody. */
  waiter: string
  /** `:web`, of the current try. */
  upstream: string
  /** SIDs, apart by spaces; the last one is the current. */
  tried: string
}

/** What is judged by. The rest nginx itself has read (nginx/judge-conf.ts). */
export type JudgedBy = Omit<JudgeQuestion, 'location' | 'address' | 'tlsName' | 'certificate'>

const NONE = '-'
const CERTIFICATE_AT = 3
const TRIED_AT = 10

export function printQuestion(q: JudgeQuestion): string {
  const asked = [q.location, q.address, ':' + q.tlsName, q.certificate || NONE]
  const judged = [q.key, q.statuses, q.most, q.elapsedMs, q.waiter || NONE, q.upstream, q.tried]
  return asked.join(' ') + ' ' + judged.join(' ')
}

/**
 * The parts of a question. Throws where there is none. nginx joins a client's `X_Sluice_Pick` to
 * the hop's own header, behind `, `: that is not read.
 */
function partsOf(header: string | undefined): string[] {
  const parts = ((header || '').split(', ', 1)[0] as string).split(' ')
  if (parts.length <= TRIED_AT) {
    throw new Error('the hop asked nothing')
  }
  return parts
}

/** What the question says to judge by. Throws where there is none. */
export function parseQuestion(header: string | undefined): JudgedBy {
  const parts = partsOf(header)
  return {
    key: parts[4] as string,
    statuses: Number(parts[5]),
    most: Number(parts[6]),
    elapsedMs: Number(parts[7]),
    waiter: parts[8] === NONE ? '' : (parts[8] as string),
    upstream: parts[9] as string,
    tried: parts.slice(TRIED_AT).join(' '),
  }
}

/** Id of the certificate that the instance is shown; '' for none. */
export function certificateIn(header: string | undefined): string {
  const id = partsOf(header)[CERTIFICATE_AT] as string
  return id === NONE ? '' : id
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

/** Who is to be asked next; null where the verdict names nobody, or the table has lost it. */
export function nextIn(verdict: string, table: Dict): PeerChoice | null {
  const parts = verdict.split(' ')
  const upstream = parts[2]
  const entry = parts[3]
  if (upstream === undefined || entry === undefined) {
    return null
  }
  const peer = findPeer(table, upstream, entry.slice(0, Width.Sid))
  const rules = rulesOf(table, upstream)
  if (peer === null) {
    return null
  }
  return rules === null || entry.length === Width.Sid
    ? { upstream: upstream, peer: peer }
    : { upstream: upstream, peer: peer, ruled: { rules: rules, entry: parseEntry(entry, 0) } }
}
