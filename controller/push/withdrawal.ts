/**
 * What of a change goes into a table that is full: an upstream as it is, without the instances that
 * the change takes out of service. Pure.
 */
import { parsePeer, parseSlot, printSlot } from '../../contract/table/table.js'
import { Width } from '../../contract/table/table.js'
import { ENTRY_LENGTH, parseRules, printRules } from '../../contract/table/rules.js'
import { SlotMark } from '../../contract/table/mark.js'
import type { Unit, UnitChange } from '../table/unit.js'
import { unsure } from './unit-diff.js'
import { isThere } from './growth.js'

/** `<sid> <id>` → the peer's line, of all buckets. */
function linesOf(unit: Unit): Map<string, string> {
  const lines = new Map<string, string>()
  for (const [key, value] of unit.entries) {
    if (key.charAt(unit.name.length) === '#') {
      value.split('\n').forEach((line) => lines.set(lineName(line), line))
    }
  }
  return lines
}

function lineName(line: string): string {
  const { sid, id } = parsePeer(line)
  return `${sid} ${id}`
}

function upIn(lines: Map<string, string>): Set<string> {
  const peers = [...lines.values()].map(parsePeer)
  return new Set(peers.filter(({ up }) => up).map(({ sid }) => sid))
}

/** Puts those that stay in the place of those that go, in slots, cells and lists. */
class Substitutes {
  readonly #staying: string[]
  readonly #entries = new Map<string, string>()
  readonly #isGoing: (sid: string) => boolean
  #next = 0

  constructor(staying: string[], isGoing: (sid: string) => boolean) {
    this.#staying = staying
    this.#isGoing = isGoing
  }

  /** Notes the entries of a list: a substitute brings its own limits. */
  note(chunk: string): void {
    for (const entry of cut(chunk, ENTRY_LENGTH)) {
      this.#entries.set(entry.slice(0, Width.Sid), entry)
    }
  }

  sid(sid: string): string {
    if (!this.#isGoing(sid)) {
      return sid
    }
    this.#next = (this.#next + 1) % this.#staying.length
    return this.#staying[this.#next] ?? sid
  }

  chunk(chunk: string): string {
    const listed = (entry: string) => {
      const sid = this.sid(entry.slice(0, Width.Sid))
      return this.#entries.get(sid) ?? sid + entry.slice(Width.Sid)
    }
    return cut(chunk, ENTRY_LENGTH).map(listed).join('')
  }

  slot(text: string, isTried: (trial: string) => boolean): string {
    const { trial, ruled, value } = parseSlot(text)
    return printSlot({ trial: isTried(trial) ? trial : '', ruled, value: this.#value(value) })
  }

  #value(value: string): string {
    switch (value.charAt(0)) {
      case SlotMark.Cells as string:
        return value
      case SlotMark.Shared as string: {
        const shared = cut(value.slice(1), Width.Share)
        return (
          SlotMark.Shared + shared.map((one) => one.slice(0, 3) + this.sid(one.slice(3))).join('')
        )
      }
      default:
        // `<sid> <target>` in stream{}.
        return this.#isGoing(value.slice(0, Width.Sid))
          ? this.sid(value.slice(0, Width.Sid))
          : value
    }
  }
}

function cut(text: string, length: number): string[] {
  return Array.from({ length: Math.floor(text.length / length) }, (_, i) =>
    text.slice(i * length, (i + 1) * length),
  )
}

/** A bucket's lines as they will be, without those that come. */
function stayingLines(value: string, now: Map<string, string>): string {
  return value
    .split('\n')
    .flatMap((line) => now.get(lineName(line)) ?? [])
    .join('\n')
}

/** `<number><sid>` of all that a request may try although they are out. */
function trialsIn(unit: Unit): Set<string> {
  const { name } = unit
  const rules = parseRules((unit.entries.get(name) ?? '').slice(Width.Digest))
  const slots = [...unit.entries].filter(([key]) => key.charAt(name.length) === '/')
  return new Set([...slots.map(([, value]) => parseSlot(value).trial), rules?.trial ?? ''])
}

/** An upstream before and after a change, as far as its withdrawals need it. */
class Withdrawal {
  readonly #now: Map<string, string>
  readonly #after: Unit
  readonly #trials: Set<string>
  readonly #isEmpty: boolean
  readonly #substitutes: Substitutes
  readonly #isGoing: (sid: string) => boolean

  constructor(before: Unit, after: Unit) {
    this.#after = after
    this.#now = linesOf(after)
    this.#trials = trialsIn(after)
    const up = upIn(this.#now)
    this.#isGoing = (sid) => !up.has(sid)
    const staying = [...upIn(linesOf(before))].filter((sid) => up.has(sid))
    this.#isEmpty = staying.length === 0
    this.#substitutes = new Substitutes(staying, this.#isGoing)
    for (const [key, value] of before.entries) {
      if (key.charAt(before.name.length) === '%') {
        this.#substitutes.note(value)
      }
    }
  }

  /** What follows the unit's name in a key, and its value → its new value; undefined for none. */
  entry(key: string, value: string): string | undefined {
    switch (key.charAt(0)) {
      case '':
        return this.#record(value)
      case '#':
        return stayingLines(value, this.#now)
      case '%':
        return this.#isEmpty ? undefined : this.#substitutes.chunk(value)
      case '$':
        return key !== '$' && this.#isGoing(value.slice(0, Width.Sid))
          ? this.#after.entries.get(this.#after.name + key)
          : value
      case '/':
        // What is asked over kept connections can be asked without them.
        return this.#isEmpty || value.startsWith(SlotMark.Kept) ? undefined : this.#slot(key, value)
      default:
        return value
    }
  }

  #slot(key: string, value: string): string {
    return key.lastIndexOf('/') > 0
      ? this.#substitutes.sid(value)
      : this.#substitutes.slot(value, (trial) => this.#trials.has(trial))
  }

  #record(record: string): string {
    const text = record.slice(Width.Digest)
    const rules = parseRules(text)
    if (rules === null) {
      return record
    }
    const none = this.#isEmpty && { count: 0, spill: 0, backups: 0, weights: 0 }
    const trial = this.#trials.has(rules.trial) ? rules.trial : ''
    const left = printRules({ ...rules, trial, ...none })
    return `${record.slice(0, Width.Digest)}${parseInt(text, 10)} ${left}`
  }
}

/**
 * An upstream as it is, without the instances that the change takes out of service; undefined where
 * it takes none out. It is no larger than before, so it goes into a full table although what the
 * change adds does not.
 */
export function withdrawn({ name, before, after }: UnitChange): Unit | undefined {
  if (!name.startsWith(':') || before === undefined || after === undefined || !isThere(before)) {
    return undefined
  }
  const withdrawal = new Withdrawal(before, after)
  const entries = new Map<string, string>()
  let isChanged = false
  for (const [key, value] of before.entries) {
    const left = withdrawal.entry(key.slice(name.length), value)
    isChanged ||= left !== value
    if (left !== undefined) {
      entries.set(key, key === name ? unsure(left) : left)
    }
  }
  return isChanged ? { name, entries } : undefined
}
