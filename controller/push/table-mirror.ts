/** What one gateway's table holds, as far as it was read or acknowledged. */
import { Width, indexBucket } from '../../contract/table/table.js'
import type { Unit, UnitChange } from '../table/unit.js'
import { isMassLoss } from '../state/lost-leases.js'
import { readRecords, readUnits } from './table-reader.js'
import type { ReadKeys } from './table-reader.js'

export class TableMirror {
  readonly #has = new Map<string, Unit>()
  readonly #index = new Map<number, Set<string>>()
  /** Units that the registry does not know and that stay all the same. */
  readonly #kept = new Set<string>()
  /** Of those, units that may still come. */
  readonly #awaited = new Set<string>()
  #hasLooked = false

  /**
   * Reads the table anew. Answers the names of units that are not as they should be, and of those
   * that should not be there. Units with the right digest are taken for right.
   */
  async compare(read: ReadKeys, units: ReadonlyMap<string, Unit>): Promise<Set<string>> {
    const records = await readRecords(read)
    const stale = new Set(records.keys())
    for (const [name, unit] of units) {
      if (records.get(name) === unit.entries.get(name)) {
        stale.delete(name)
      } else {
        stale.add(name)
      }
    }
    const wanted = [...stale].map((name) => ({
      name,
      record: records.get(name),
      also: units.get(name)?.entries.keys() ?? [],
    }))
    this.#remember(records, await readUnits(read, wanted), units)
    return stale
  }

  /**
   * A registry that was emptied while no controller ran looks like one in which everything was
   * deleted. So the first time, a table that would lose most of its upstreams keeps what is
   * unknown. Answers the names; `letGo` ends it.
   */
  keepUnknown(units: ReadonlyMap<string, Unit>): string[] {
    const isFirst = !this.#hasLooked
    this.#hasLooked = true
    const upstreams = [...this.#has.keys()].filter((name) => /^:[^.]*$/.test(name))
    const lost = upstreams.filter((name) => !units.has(name)).length
    const isMass = lost > 0 && (lost === upstreams.length || isMassLoss(upstreams.length, lost))
    if (!isFirst || !isMass) {
      return []
    }
    const unknown = [...this.#has.keys()].filter((name) => !units.has(name))
    unknown.forEach((name) => this.#kept.add(name))
    return unknown
  }

  /** Keeps what is unknown and may still come. */
  keepAwaited(units: ReadonlyMap<string, Unit>, isAwaited: (name: string) => boolean): void {
    for (const name of this.#has.keys()) {
      if (!units.has(name) && !this.#kept.has(name) && isAwaited(name)) {
        this.#kept.add(name)
        this.#awaited.add(name)
      }
    }
  }

  /** What was kept so, and is awaited no longer. */
  awaited(): string[] {
    const names = [...this.#awaited]
    this.#awaited.clear()
    return names
  }

  /** Those of `names` that were kept, and are not any more. */
  letGo(names: string[]): string[] {
    return names.filter((name) => this.#kept.delete(name))
  }

  /**
   * Whether a unit leads to nothing that is new. It is an upstream that stays, or only its record
   * changes: a host whose upstream has other peers, say.
   */
  isSettled(name: string, units: ReadonlyMap<string, Unit>): boolean {
    const [before, after] = [this.#has.get(name), units.get(name)].map((unit) => {
      return unit?.entries.get(name)?.slice(Width.Digest)
    })
    return before !== undefined && after !== undefined && (name.startsWith(':') || before === after)
  }

  /** What has to change of `names`. From now on the index is that of afterwards. */
  changes(names: Iterable<string>, units: ReadonlyMap<string, Unit>): UnitChange[] {
    const changes: UnitChange[] = []
    for (const name of names) {
      const after = units.get(name)
      const before = this.#has.get(name)
      if (after !== undefined) {
        this.#kept.delete(name)
      }
      if (before !== after && !this.#kept.has(name)) {
        changes.push({ name, before, after })
        this.#list(name, after !== undefined)
      }
    }
    return changes
  }

  /** Names of the units in a bucket of the index, sorted. */
  namesIn(bucket: number): string[] {
    return [...(this.#index.get(bucket) ?? [])].sort()
  }

  /** The gateway acknowledged these. */
  accept(changes: UnitChange[]): void {
    for (const { name, after } of changes) {
      if (after === undefined) {
        this.#has.delete(name)
      } else {
        this.#has.set(name, after)
      }
    }
  }

  #remember(
    records: Map<string, string | undefined>,
    found: Map<string, Unit>,
    units: ReadonlyMap<string, Unit>,
  ): void {
    this.#has.clear()
    this.#index.clear()
    for (const name of records.keys()) {
      const unit = found.get(name) ?? units.get(name)
      this.#list(name, true)
      this.#has.set(name, unit ?? { name, entries: new Map() })
    }
    for (const [name, unit] of found) {
      // A unit that the index does not list yet may have left keys all the same.
      if (!records.has(name) && unit.entries.size > 0) {
        this.#has.set(name, unit)
        this.#list(name, true)
      }
    }
  }

  #list(name: string, isThere: boolean): void {
    const bucket = indexBucket(name)
    const names = this.#index.get(bucket) ?? new Set()
    this.#index.set(bucket, names)
    if (isThere) {
      names.add(name)
    } else {
      names.delete(name)
    }
  }
}
