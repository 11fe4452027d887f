/** A source's level while its entries are read, one by one. */
import { guardInstance } from '../../contract/record/instance-record.js'
import { routesOf } from '../plan/container-records.js'
import {
  FOLDED_NAME_RULE,
  FOLD_RULE,
  foldName,
  printFolding,
} from '../../contract/guard/fold-name.js'
import { overreach } from '../labels/label-limits.js'
import type { AgentMachine } from '../plan/instance-address.js'
import type { Offer, Offers } from '../labels/offer.js'
import { printClaim } from '../plan/route-claim.js'
import { sourceInstanceId, sourceRouteId } from './entry-owner.js'
import type { SourceLevel } from './source.js'

/** Whose level it is, and what it may have. */
export type SourceMachine = Pick<AgentMachine, 'agent' | 'allowLoopback' | 'limits' | 'dialects'>

export interface DraftEntry {
  /** The entry, for people. */
  from: string
  /** Distinguishes it among the source's entries; stands in the instance's id. */
  key: string
  upstream: string
  /** An instance's record, before its guard has seen it. */
  wish: Record<string, unknown>
}

/** Of names that fold to one, the one that is spelled so comes first, and has it. */
export function byOwnSpelling(a: string, b: string): number {
  const folded = (name: string) => Number(foldName(name) !== name)
  return folded(a) - folded(b) || (a < b ? -1 : a > b ? 1 : 0)
}

export class LevelDraft {
  readonly level: SourceLevel = {
    ...{ instances: [], routes: [], refused: [], warnings: [], why: [] },
    settings: new Map(),
  }
  readonly #machine: SourceMachine
  readonly #source: string
  /** Upstream → the name that it was folded from. */
  readonly #given = new Map<string, string>()
  readonly #routes = new Set<string>()

  constructor(machine: SourceMachine, source: string) {
    this.#machine = machine
    this.#source = source
  }

  refuse(name: string, reason: string): void {
    this.level.refused.push({ name, text: reason })
  }

  warn(name: string, text: string): void {
    this.level.warnings.push({ name, text })
  }

  explain(name: string, text: string): void {
    this.level.why.push({ name, text })
  }

  /** The upstream of a service; undefined where it was refused. */
  upstreamOf(given: string, from: string): string | undefined {
    const upstream = foldName(given)
    const shown = JSON.stringify(given.slice(0, 80))
    if (upstream === undefined) {
      this.refuse(from, `the name ${shown} ${FOLDED_NAME_RULE}`)
      return undefined
    }
    const holder = this.#given.get(upstream)
    if (holder !== undefined && holder !== given) {
      const other = JSON.stringify(holder)
      this.refuse(from, `${shown} and ${other} are both ${upstream} after ${FOLD_RULE}`)
      return undefined
    }
    if (holder !== undefined) {
      return upstream
    }
    this.#given.set(upstream, given)
    this.explain(from, `upstream ${upstream}: the service's name${printFolding(given, upstream)}`)
    return upstream
  }

  /** False where the guard refused it. */
  add({ from, key, upstream, wish }: DraftEntry): boolean {
    const { agent, allowLoopback } = this.#machine
    const guarded = guardInstance({ ...wish, agent }, { allowLoopback })
    if (!guarded.ok) {
      this.refuse(from, `${guarded.field} ${guarded.message}`)
      return false
    }
    const id = sourceInstanceId(agent, this.#source, key)
    this.level.instances.push({ upstream, id, record: guarded.value, from })
    return true
  }

  /** What the labels of an entry may not ask for. */
  overreach(offers: Offers): string[] {
    return overreach(offers, this.#machine.limits)
  }

  /** Routes and settings that the labels of an entry ask for; several entries may ask alike. */
  addOffer(offer: Offer, from: string): void {
    const refused: string[] = []
    const { agent } = this.#machine
    for (const { record } of routesOf(offer, agent, refused)) {
      const parts = [printClaim(record), offer.upstream]
      const id = sourceRouteId(agent, this.#source, ...parts)
      if (!this.#routes.has(id)) {
        this.#routes.add(id)
        this.level.routes.push({ id, record, from })
      }
    }
    refused.forEach((reason) => this.refuse(from, reason))
    if (offer.settings !== undefined && !this.level.settings.has(offer.upstream)) {
      this.level.settings.set(offer.upstream, offer.settings)
    }
  }
}
