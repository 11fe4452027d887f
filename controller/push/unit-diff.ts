/** Two states of some units → the operations between them, in order. Pure. */
import type { Operation } from '../../contract/push.js'
import { Width } from '../../contract/table/table.js'
import { MOST_VALUE_BYTES } from '../../contract/table/limits.js'
import type { Unit, UnitChange } from '../table/unit.js'
import {
  closenessOf,
  comparePhases,
  deletePhaseOf,
  keepOf,
  phaseOf,
  recordPhaseOf,
} from './phases.js'
import type { Phase } from './phases.js'

export interface DiffMode {
  /** The record is marked, and gets its true digest once nothing is left to do for its unit. */
  isParted?: boolean
  /** There is no room for what goes beside what comes. */
  isFull?: boolean
}

interface Step {
  phase: Phase
  operation: Operation
  /** The order within the phase; 0 but for records. */
  closeness?: number
}

/** Stands for "being rewritten": no unit that is compared with it is taken for equal. */
const NO_DIGEST = '00000000'

/** A record of a unit that is being rewritten. */
export function unsure(record: string): string {
  return `${NO_DIGEST} ${record.slice(Width.Digest)}`
}

/** Marks the record that is there as one whose unit is about to change. */
export function markRecord(name: string, unit: Unit | undefined): Operation[] {
  const record = unit?.entries.get(name)
  return record === undefined ? [] : [[name, unsure(record)]]
}

/**
 * A bucket's lines and those that it is about to lose; undefined where it loses none, or has no
 * room for both. A list may name those peers as long, and where one has limits, nobody else is
 * asked for a name without a line.
 */
function withGoing(value: string, before: string | undefined): string | undefined {
  const sidOf = (line: string) => line.slice(0, Width.Sid)
  const staying = new Set(value.split('\n').map(sidOf))
  const going = (before?.split('\n') ?? []).filter((line) => !staying.has(sidOf(line)))
  const both = [value, ...going].join('\n')
  return going.length === 0 || both.length > MOST_VALUE_BYTES ? undefined : both
}

/** A key's new value; where others name what it loses, that goes only after them. */
function setSteps(phase: Phase, key: string, value: string, before?: string): Step[] {
  const both = phase === 'peers' ? withGoing(value, before) : undefined
  return both === undefined
    ? [{ phase, operation: [key, value] }]
    : [
        { phase, operation: [key, both] },
        { phase: 'goneLines', operation: [key, value] },
      ]
}

function recordSteps(name: string, record: string, below: Step[], isParted: boolean): Step[] {
  const place = { phase: recordPhaseOf(name), closeness: closenessOf(name) }
  const isLast = !isParted || below.every(({ phase }) => comparePhases(phase, 'records') < 0)
  return isLast
    ? [{ ...place, operation: [name, record] }]
    : [
        { ...place, operation: [name, unsure(record)] },
        { phase: 'done', operation: [name, record] },
      ]
}

function unitSteps(change: UnitChange, { isParted = false, isFull = false }: DiffMode): Step[] {
  const { name, before, after } = change
  const keep = keepOf(change)
  const steps: Step[] = []
  for (const [key, value] of after?.entries ?? []) {
    const old = before?.entries.get(key)
    if (key !== name && old !== value) {
      steps.push(...setSteps(phaseOf(key, name, keep), key, value, isFull ? undefined : old))
    }
  }
  for (const key of before?.entries.keys() ?? []) {
    if (after?.entries.has(key) !== true) {
      steps.push({ phase: deletePhaseOf(key, name), operation: [key, null] })
    }
  }
  const record = after?.entries.get(name)
  if (record !== undefined && (isParted || before?.entries.get(name) !== record)) {
    steps.push(...recordSteps(name, record, steps, isParted))
  }
  return steps
}

function compareSteps(a: Step, b: Step): number {
  return comparePhases(a.phase, b.phase) || (a.closeness ?? 0) - (b.closeness ?? 0)
}

/** Sorted over all units: a record of one may lead to another. */
export function diffUnits(changes: UnitChange[], mode: DiffMode = {}): Operation[] {
  const steps = changes.flatMap((change) => unitSteps(change, mode))
  return steps.sort(compareSteps).map(({ operation }) => operation)
}
