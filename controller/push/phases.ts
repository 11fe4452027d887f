/**
 * The order in which the keys of a delta are written, so that no reader ever finds a hole. Pure.
 *
 * Peers come before the slots and lists that name them, those before the record, and what nobody
 * reads any more goes last.
 *
 * Lists are read by the record's counts. Between two writes a reader may hold the old record with
 * new chunks, or the reverse. What it finds is right enough: every chunk, old or new, holds peers
 * of this upstream alone, and one that was removed or drained has left all of them before the
 * gateway acknowledges. It finds no hole either: chunks that are new or as long as before are
 * written before the record, the one that gets shorter after it, and those that vanish are deleted
 * after that. So the list is never shorter than the record in force says.
 *
 * A ring's positions are indexes in the list: in between they may name another peer of this
 * upstream than they should, or none.
 *
 * A session's key is the only one that is found by what a client says, and not by the record. It
 * must never outlive its peer's line, by which a resync finds it: so it is written late, and
 * deleted first. Meanwhile its clients are new ones.
 */
import { hostKind } from '../../contract/guard/names.js'
import { Width, NOTE } from '../../contract/table/table.js'
import type { Unit, UnitChange } from '../table/unit.js'

/** First to last. */
const PHASES = [
  /** Sessions that go: nobody may be led to a peer without a line. */
  'forgetSessions',
  /** Lines of peers. Those that go stay as long as a slot or a list may name them. */
  'peers',
  /** Shared cells of slots: they name peers. */
  'cells',
  /**
   * Slots, lists and rings; what routes do and certificates for instances, to which records lead.
   */
  'slots',
  /** Records: from here on requests see the change. Within the phase, the closest name first. */
  'records',
  /** What the old record counted by: buckets where their number grows, the chunk that shrinks. */
  'afterRecord',
  /** Sessions that come: their peer has its line. */
  'sessions',
  /** Lines of peers that nobody names any more. */
  'goneLines',
  /** Keys below a record that goes, or that it no longer counts. */
  'deletes',
  /** Records that go. */
  'recordDeletes',
  /** Notes of units rewritten in several parts: all that they name is done. */
  'noteDeletes',
  /** The record once more, with its true digest: nothing is left to do for its unit. */
  'done',
] as const

export type Phase = (typeof PHASES)[number]

const RANKS = new Map<Phase, number>(PHASES.map((phase, rank) => [phase, rank]))

/** Below 0 when `a` comes before `b`, above 0 when after it. */
export function comparePhases(a: Phase, b: Phase): number {
  return (RANKS.get(a) ?? 0) - (RANKS.get(b) ?? 0)
}

/** What stays as it is until the record says otherwise. */
export interface Keep {
  /** So many of the peer buckets. */
  buckets: number
  /** The chunk that gets shorter. */
  chunk: string
}

function bucketsOf(unit: Unit | undefined): number {
  const record = unit?.entries.get(unit.name)
  return unit?.name.startsWith(':') === true && record !== undefined
    ? parseInt(record.slice(Width.Digest), 10)
    : 0
}

/** A list has at most one chunk that gets shorter: the last. */
export function keepOf({ before, after }: UnitChange): Keep {
  const old = bucketsOf(before)
  let chunk = ''
  for (const [key, value] of after?.entries ?? []) {
    const length = before?.entries.get(key)?.length ?? 0
    if (key.charAt(after?.name.length ?? 0) === '%' && value.length < length) {
      chunk = key
    }
  }
  return { buckets: old < bucketsOf(after) ? old : 0, chunk }
}

function isSession(key: string, name: string): boolean {
  return key.charAt(name.length) === '$' && key.length > name.length + 1
}

/** When a key below a record is written. */
export function phaseOf(key: string, name: string, keep: Keep): Phase {
  switch (key.charAt(name.length)) {
    case '#':
      return Number(key.slice(name.length + 1)) < keep.buckets ? 'afterRecord' : 'peers'
    case '%':
      return key === keep.chunk ? 'afterRecord' : 'slots'
    case '=':
      return 'slots'
    case '$':
      return isSession(key, name) ? 'sessions' : 'slots'
    default:
      return key.includes('/', name.length + 1) ? 'cells' : 'slots'
  }
}

/** When a key is deleted. */
export function deletePhaseOf(key: string, name: string): Phase {
  if (isSession(key, name)) {
    return 'forgetSessions'
  }
  if (key === name + NOTE) {
    return 'noteDeletes'
  }
  return key === name ? 'recordDeletes' : 'deletes'
}

/** When a record is written. Those that other records lead to come with the slots. */
export function recordPhaseOf(name: string): Phase {
  return name.startsWith('&') || name.startsWith('^=') ? 'slots' : 'records'
}

const CLOSENESS_PER_KIND = 1000
const LONGEST_HOST = 300
const ANY_HOST_KIND = 3

/**
 * The order of records: lower first. While a table is filled, a host that is not there yet is
 * served by the next best that is. So names come first, then the wildcards that they fall under,
 * the longest first, and last what takes all that a port's names leave.
 */
export function closenessOf(name: string): number {
  if (!name.startsWith('@')) {
    return 0
  }
  const host = name.replace(/^@(tls\*|\d+\*)?/, '')
  const isRest = host === '' || host === '*' || /^(tcp|udp)\*/.test(host)
  const kind = isRest ? ANY_HOST_KIND : hostKind(host)
  const isLast = isRest && host !== ''
  const within = isLast ? LONGEST_HOST + 1 : LONGEST_HOST - Math.min(host.length, LONGEST_HOST)
  return 1 + kind * CLOSENESS_PER_KIND + within
}
