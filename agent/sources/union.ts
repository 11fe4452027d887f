/** What several sources of one agent want → what should stand in the registry. Pure. */
import { parseKey, printKey } from '../../contract/keys.js'
import { claimantOf, settleClaims } from '../plan/host-claims.js'
import type { Claimant, Contested } from '../plan/host-claims.js'
import { readRoute } from '../plan/route-claim.js'
import { isUp } from '../register/agent-records.js'
import type { SourceInstance, SourceLevel, SourceNote, SourceRoute } from './source.js'

type Entries = ReadonlyMap<string, string>

/** What one source adds. */
export interface SourcePart {
  name: string
  /** Undefined: it has not spoken yet. */
  level: SourceLevel | undefined
  /** Registry key → value of what stays because the level is missing, or not believed. */
  held: Entries
}

export interface Union {
  /** Registry key → value of all. */
  entries: Map<string, string>
  /** Registry key → value of upstreams' settings that containers ask for. */
  settings: Map<string, string>
  /** The same, that the other sources give. */
  ofSources: Map<string, string>
  contested: Contested[]
  /** By source: what only the others make impossible. */
  refused: Map<string, SourceNote[]>
  warnings: Map<string, SourceNote[]>
}

/** Metadata by which an instance's source is known, so no entry may say it. */
const RESERVED = ['source', 'containerId']

/** Instances of sources say where they are from; only Docker's have a container. */
function valueOf({ record }: SourceInstance, source: string): string {
  const given = Object.entries(record.metadata ?? {}).filter(([name]) => !RESERVED.includes(name))
  return JSON.stringify({ ...record, metadata: { ...Object.fromEntries(given), source } })
}

class Uniting {
  readonly union: Union
  readonly #owners = new Map<string, string>()
  readonly #routes: Array<Omit<Claimant, 'isUp'>> = []
  readonly #routeKeys = new Set<string>()

  /** `docker`: what the containers want, with the routes that won among them. */
  constructor(docker: { entries: Entries; settings: Entries }) {
    this.union = {
      entries: new Map(),
      settings: new Map(docker.settings),
      ofSources: new Map(),
      contested: [],
      refused: new Map(),
      warnings: new Map(),
    }
    this.#addEntries(docker.entries, 'docker')
  }

  add({ name, level, held }: SourcePart): void {
    this.union.refused.set(name, [])
    this.union.warnings.set(name, [])
    level?.instances.forEach((instance) => this.#addInstance(instance, name))
    level?.routes.forEach((route) => this.#addRoute(route, name))
    level?.settings.forEach((record, upstream) => this.#set(upstream, record, name))
    this.#addEntries(held, name)
  }

  /** Once all are in. `before`: what was registered; the holder of a route keeps it. */
  settle(before: Entries): Union {
    const { entries, contested } = this.union
    const up = new Set<string>()
    for (const [key, value] of entries) {
      const parsed = parseKey(key)
      if (parsed?.kind === 'instances' && isUp(value)) {
        up.add(parsed.upstream)
      }
    }
    const holders = new Map<string, string>()
    for (const [key, value] of before) {
      const route = key.startsWith('routes/') ? readRoute(value) : undefined
      if (route !== undefined) {
        holders.set(route.claim, route.upstream)
      }
    }
    const claimants = this.#routes.map((route) => ({ ...route, isUp: up.has(route.upstream) }))
    settleClaims(claimants, holders, contested).forEach((value, key) => entries.set(key, value))
    return this.union
  }

  #addEntries(from: Entries, name: string): void {
    for (const [key, value] of from) {
      const route = key.startsWith('routes/') ? readRoute(value) : undefined
      if (this.union.entries.has(key) || this.#routeKeys.has(key)) {
        continue
      }
      if (route === undefined) {
        this.union.entries.set(key, value)
        this.#owners.set(key, name)
      } else {
        this.#routeKeys.add(key)
        this.#routes.push({ ...route, from: name, key, value, refuse: () => undefined })
      }
    }
  }

  #addInstance(instance: SourceInstance, name: string): void {
    const { upstream, id, from } = instance
    const key = printKey({ kind: 'instances', upstream, id })
    const owner = this.#owners.get(key)
    if (owner !== undefined) {
      const text = `instance ${id} of upstream ${upstream} is there already, from ${owner}`
      this.union.refused.get(name)?.push({ name: from, text })
      return
    }
    for (const reserved of RESERVED.filter((each) => instance.record.metadata?.[each])) {
      const text = `metadata ${reserved} of instance ${id} is left out: the agent says it`
      this.union.warnings.get(name)?.push({ name: from, text })
    }
    this.#owners.set(key, `${name} ${from}`)
    this.union.entries.set(key, valueOf(instance, name))
  }

  #addRoute(route: SourceRoute, name: string): void {
    const upstream = route.record.upstream ?? route.record.split?.[0]?.upstream ?? ''
    const refuse = (text: string) => this.union.refused.get(name)?.push({ name: route.from, text })
    const from = `${name} ${route.from}`
    const claimant = claimantOf(route, { upstream, from, isUp: false, refuse })
    this.#routeKeys.add(claimant.key)
    this.#routes.push(claimant)
  }

  /** The first source that sets an upstream wins. */
  #set(upstream: string, record: object, name: string): void {
    const key = printKey({ kind: 'upstreams', upstream })
    const value = JSON.stringify(record)
    const { settings, ofSources } = this.union
    const known = settings.get(key) ?? ofSources.get(key)
    if (known !== undefined && known !== value) {
      const text = `settings of upstream ${upstream} are ignored: another source sets it otherwise`
      this.union.warnings.get(name)?.push({ name: upstream, text })
    } else if (known === undefined) {
      ofSources.set(key, value)
    }
  }
}

/** Docker's part first, then the others in their order. `before`: what is registered now. */
export function uniteSources(
  docker: { entries: Entries; settings: Entries },
  parts: readonly SourcePart[],
  before: Entries,
): Union {
  const uniting = new Uniting(docker)
  parts.forEach((part) => uniting.add(part))
  return uniting.settle(before)
}
