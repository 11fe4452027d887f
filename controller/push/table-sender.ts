/** Sends one gateway what has to change in its table: in parts, and first what is urgent. */
import { SluiceError } from '../../runtime/errors.js'
import { pause } from '../../runtime/retry.js'
import { makeParts, makePartsForFull } from './delta.js'
import type { DeltaPart } from './delta.js'
import { grows } from './growth.js'
import type { GatewayClient } from './gateway-client.js'
import { TableMirror } from './table-mirror.js'
import type { TableSource } from '../table/table-source.js'
import type { UnitChange } from '../table/unit.js'

/** How a table is to be changed. */
export interface Sending {
  epoch: number
  /** The revision that the gateway shows. */
  from: number
  /** The one that it shows afterwards. */
  to: number
  /** Whether the table has all that is desired afterwards, whatever it had before. */
  whole: boolean
  /** Whether the table had no room for what was sent last. */
  isFull: boolean
}

/** Another writer's turn takes some milliseconds. */
const TURN_TRIES = 100
const TURN_MS = 10

/** A change of so many units at most is small. */
const MOST_SMALL = 20
const NONE: ReadonlySet<string> = new Set()

/** No other unit leads to one of these. */
function isHost(name: string): boolean {
  return name.startsWith('@')
}

export class TableSender {
  readonly #gateway: GatewayClient
  readonly #source: TableSource
  readonly #mirror = new TableMirror()
  /** Names of the units that may not be as they should be. */
  readonly #dirty = new Set<string>()

  constructor(gateway: GatewayClient, source: TableSource) {
    this.#gateway = gateway
    this.#source = source
  }

  /** Whether nothing is to be sent. */
  get isEmpty(): boolean {
    return this.#dirty.size === 0
  }

  /** Takes what is new. Returns its names. */
  update(): string[] {
    const names = [...this.#source.update()]
    names.forEach((name) => this.#dirty.add(name))
    return names
  }

  /**
   * Compares all of the table with what should be there. Returns how many units differ, and the
   * names that the registry does not know and that stay.
   */
  async compare(): Promise<{ differed: number; unknown: string[] }> {
    const units = this.#source.units
    const stale = await this.#mirror.compare((keys) => this.#gateway.read(keys), units)
    const unknown = this.#mirror.keepUnknown(units)
    this.#mirror.keepAwaited(units, (name) => this.#source.isAwaited?.(name) === true)
    stale.forEach((name) => this.#dirty.add(name))
    return { differed: stale.size, unknown }
  }

  /** Lets go of units that were kept; undefined: of the awaited ones. */
  drop(names: string[] = this.#mirror.awaited()): void {
    this.#mirror.letGo(names).forEach((name) => this.#dirty.add(name))
  }

  /** Rejects when a part is not acknowledged. Then only a comparison shows what is there. */
  async send(sending: Sending): Promise<void> {
    const changes = this.#mirror.changes(this.#dirty, this.#source.units)
    this.#dirty.clear()
    const parts = this.#partsOf(changes, sending)
    for (const part of parts.slice(0, -1)) {
      const startedMs = performance.now()
      await this.#sendOnTheWay(sending, part)
      // The worker that wrote gets as much time for its requests.
      await pause(Math.min(5, performance.now() - startedMs))
      await this.#overtake(sending, changes)
    }
    await this.#sendPart(sending, parts.at(-1))
    this.#mirror.accept(changes)
  }

  /** Sends what waits for no backlog, between two parts of one. */
  async #overtake(sending: Sending, onTheWay: UnitChange[]): Promise<void> {
    const older = new Set(this.#dirty)
    const news = this.update().filter((name) => !older.has(name))
    if (this.isEmpty || sending.isFull) {
      return
    }
    const units = this.#source.units
    const names = this.#urgent(onTheWay, older, news)
    const changes = this.#mirror.changes(names, units)
    names.forEach((name) => this.#dirty.delete(name))
    for (const part of changes.length === 0 ? [] : this.#partsOf(changes, sending)) {
      await this.#sendOnTheWay(sending, part)
    }
    this.#mirror.accept(changes)
  }

  /**
   * What leads to nothing that is on its way waits for no backlog. That is what concerns units that
   * are there: a drain, an ejection, an instance that comes. While only hosts are on their way, to
   * which nothing leads, it is any small change.
   */
  #urgent(onTheWay: UnitChange[], older: ReadonlySet<string>, news: string[]): string[] {
    const units = this.#source.units
    const waiting = new Set(onTheWay.map(({ name }) => name))
    const isSmall = news.length > 0 && news.length <= MOST_SMALL
    const free = isSmall && [...waiting, ...older].every(isHost) ? new Set(news) : NONE
    const isFree = (name: string) => free.has(name) && (units.has(name) || isHost(name))
    const isReady = (name: string) =>
      !waiting.has(name) && (isFree(name) || this.#mirror.isSettled(name, units))
    return [...this.#dirty].filter(isReady)
  }

  #partsOf(changes: UnitChange[], { isFull }: Sending): DeltaPart[] {
    const namesIn = (bucket: number) => this.#mirror.namesIn(bucket)
    if (isFull) {
      return makePartsForFull(changes, namesIn)
    }
    const isGrowing = changes.some(grows)
    return makeParts(changes, namesIn).map((operations) => ({ operations, grows: isGrowing }))
  }

  /** A part after which the gateway shows the same revision as before. */
  #sendOnTheWay(sending: Sending, part: DeltaPart): Promise<void> {
    return this.#sendPart({ ...sending, to: sending.from, whole: false }, part)
  }

  async #sendPart({ epoch, from, to, whole }: Sending, part?: DeltaPart): Promise<void> {
    const operations = part?.operations ?? []
    for (let tries = 1; ; tries++) {
      try {
        await this.#gateway.delta({ epoch, from, to, whole, operations }, part?.grows === true)
        return
      } catch (error) {
        const isConflict = error instanceof SluiceError && error.code === 'conflict'
        if (!isConflict || tries === TURN_TRIES) {
          throw error
        }
        await pause(TURN_MS)
      }
    }
  }
}
