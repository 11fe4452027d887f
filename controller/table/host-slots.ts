/** The slots of hosts that have their own: copies of their target's, which may say who it is. */
import { printNamedSlot } from '../../contract/table/mark.js'
import { upstreamsIn } from '../../contract/table/split-record.js'
import { Width, upstreamOf } from '../../contract/table/table.js'
import type { Layout } from './slots.js'
import { NO_LAYOUT, peersIn, slotsOf } from './unit.js'
import type { Unit } from './unit.js'

type Units = ReadonlyMap<string, Unit>

/** The units of the upstreams that `target` leads to: `:web` to itself, `~canary` to its arms'. */
function upstreamUnits(units: Units, target: string): string[] {
  const record = target.startsWith('~') ? units.get(target)?.entries.get(target) : undefined
  return record === undefined ? [target] : upstreamsIn(record.slice(Width.Digest))
}

/** Ids by SID; of two instances at one address, the one that is up. */
function idsIn(unit: Unit | undefined): Map<string, string> {
  const ids = new Map<string, string>()
  for (const { sid, id, up } of unit === undefined ? [] : peersIn(unit)) {
    if (up || !ids.has(sid)) {
      ids.set(sid, id)
    }
  }
  return ids
}

/**
 * `slots` of the unit `target`, where each value that is one SID names its instance. A slot that
 * several share stays, as does a SID that two upstreams have: it does not say which was meant.
 */
function nameSlots(slots: Layout, units: Units, target: string): Layout {
  const names = new Map<string, [upstream: string, id: string] | undefined>()
  for (const unit of upstreamUnits(units, target)) {
    const upstream = upstreamOf(unit)
    for (const [sid, id] of idsIn(units.get(unit))) {
      const isDoubtful = names.has(sid) && names.get(sid)?.[0] !== upstream
      names.set(sid, isDoubtful ? undefined : [upstream, id])
    }
  }
  return new Map(
    [...slots].map(([key, value]) => {
      const name = names.get(value)
      return [key, name === undefined ? value : printNamedSlot(value, ...name)]
    }),
  )
}

export class HostSlots {
  readonly #units: Units
  #isNamed = false
  /** Whether that became so, or ended, since the hosts were compiled. */
  #isNew = false

  /** `units`: all of the table. */
  constructor(units: Units) {
    this.#units = units
  }

  get isNew(): boolean {
    return this.#isNew
  }

  /** Whether slots say who it is, for a gateway whose front takes that from them. */
  setNamed(isNamed: boolean): void {
    this.#isNew ||= isNamed !== this.#isNamed
    this.#isNamed = isNamed
  }

  /** All hosts are compiled. */
  settle(): void {
    this.#isNew = false
  }

  /** An instance of a split may have another id now, while no slot of the split has another SID. */
  isStale(target: string | undefined, changed: ReadonlySet<string>): boolean {
    if (target === undefined) {
      return false
    }
    const named = this.#isNamed ? upstreamUnits(this.#units, target) : []
    return this.#isNew || [target, ...named].some((unit) => changed.has(unit))
  }

  /** `target`: the unit that is all the host leads to, when it is to have slots of its own. */
  of(target: string | undefined): Layout {
    const unit = target === undefined ? undefined : this.#units.get(target)
    const slots = unit === undefined ? NO_LAYOUT : slotsOf(unit)
    return this.#isNamed && target !== undefined ? nameSlots(slots, this.#units, target) : slots
  }
}
