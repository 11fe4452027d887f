/** What Consul says of all services → what it wants registered. Pure. */
import type { DialectSettings } from '../../../runtime/config/settings.js'
import { DEFAULT_DIALECTS } from '../../labels/dialect.js'
import { isIpLiteral } from './names.js'
import { fittingMetadata, leftOutWarning } from '../../plan/fitting-metadata.js'
import { LevelDraft, byOwnSpelling } from '../level-draft.js'
import type { SourceMachine } from '../level-draft.js'
import { plainMetadata, readServiceLabels } from '../service-labels.js'
import type { SourceLevel } from '../source.js'
import type { HealthEntry } from './health-entry.js'

export interface ConsulReading {
  /** Service → its instances, whatever their health. */
  services: ReadonlyMap<string, readonly HealthEntry[]>
  /** Service → why Consul does not say them. */
  refused: ReadonlyMap<string, string>
  /** The address of a host that is a name; undefined: it has none now. */
  addressOf(host: string): string | undefined
  /** Whether an instance counts as passing though its checks have not run again, by its key. */
  isHeld(key: string): boolean
  isWarningServed: boolean
}

const MOST_WEIGHT = 1000
const MOST_REASON = 200

/** Distinguishes an instance in the whole of a datacenter: ids are a node's own. */
export function keyOf({ node, id }: HealthEntry): string {
  return `${node}:${id}`
}

type Stand = { state: 'up' } | { state: 'draining' | 'down'; reason: string }

/** Whether its checks let it serve. */
export function isServing({ status }: HealthEntry, isWarningServed: boolean): boolean {
  return status === 'passing' || (status === 'warning' && isWarningServed)
}

function standOf(entry: HealthEntry, reading: ConsulReading): Stand {
  const { maintenance, failing } = entry
  if (maintenance !== undefined) {
    const why = maintenance === '' ? '' : `: ${maintenance}`
    return { state: 'draining', reason: `in maintenance${why}`.slice(0, MOST_REASON) }
  }
  if (isServing(entry, reading.isWarningServed) || reading.isHeld(keyOf(entry))) {
    return { state: 'up' }
  }
  const reason = `its check ${failing.join(', ')}`.replace(/\p{Cc}/gu, ' ')
  return { state: 'down', reason: reason.slice(0, MOST_REASON) }
}

const weightOf = ({ weights, status }: HealthEntry): number =>
  status === 'warning' ? weights.warning : weights.passing

/** How weights of a service become Sluice's: 1 unless one is above what Sluice takes. */
function scaleOf(entries: readonly HealthEntry[]): number {
  return Math.min(1, MOST_WEIGHT / Math.max(1, ...entries.map(weightOf)))
}

class ConsulLevel {
  readonly #reading: ConsulReading
  readonly #settings: DialectSettings
  readonly draft: LevelDraft

  constructor(reading: ConsulReading, machine: SourceMachine) {
    this.#reading = reading
    this.#settings = machine.dialects ?? DEFAULT_DIALECTS
    this.draft = new LevelDraft(machine, 'consul')
  }

  addService(service: string, entries: readonly HealthEntry[]): void {
    const followed = entries.filter(({ isMeshProxy }) => !isMeshProxy)
    if (followed.length < entries.length) {
      this.draft.explain(service, 'proxies of the mesh speak to their own kind alone: left out')
    }
    const scale = scaleOf(followed)
    if (scale < 1) {
      this.draft.warn(service, `weights above ${MOST_WEIGHT} are scaled down to it, all alike`)
    }
    for (const entry of followed) {
      this.#addEntry(entry, scale)
    }
  }

  #addEntry(entry: HealthEntry, scale: number): void {
    const from = `${entry.service}/${keyOf(entry)}`
    const offers = readServiceLabels(entry, this.#settings)
    offers.warnings.forEach((text) => this.draft.warn(from, text))
    if (offers.isDisabled) {
      this.draft.explain(from, 'sluice.enable is false')
      return
    }
    const problems = offers.problems.length > 0 ? offers.problems : this.draft.overreach(offers)
    problems.forEach((reason) => this.draft.refuse(from, reason))
    const [offer] = offers.offers
    if (problems.length > 0 || offer === undefined) {
      return
    }
    offers.refused?.forEach((reason) => this.draft.refuse(from, reason))
    this.#warnOfHold(entry, from)
    const host = this.#addressOf(entry, from)
    const upstream = this.draft.upstreamOf(offer.given, from)
    if (host === undefined || upstream === undefined) {
      return
    }
    const weight = offers.isWeighted
      ? offer.weight
      : Math.max(1, Math.round(weightOf(entry) * scale))
    const { maxConns, backup, zone } = offer
    const wish = {
      ...{ host, port: offer.port ?? entry.port, weight, ...standOf(entry, this.#reading) },
      metadata: this.#metadataOf(entry, offer.metadata, from),
      ...(maxConns !== undefined && { maxConns }),
      ...(backup && { backup }),
      ...(zone !== undefined && { zone }),
    }
    if (this.draft.add({ from, key: keyOf(entry), upstream, wish })) {
      this.draft.addOffer(offer, from)
    }
  }

  #warnOfHold(entry: HealthEntry, from: string): void {
    const isIn = entry.maintenance === undefined && !isServing(entry, this.#reading.isWarningServed)
    if (isIn && this.#reading.isHeld(keyOf(entry))) {
      this.draft.warn(from, 'its checks have not run since Consul is back: it is held as it was')
    }
  }

  #addressOf({ host }: HealthEntry, from: string): string | undefined {
    if (isIpLiteral(host)) {
      return host
    }
    const shown = JSON.stringify(host.slice(0, 80))
    const address = this.#reading.addressOf(host)
    if (address === undefined) {
      this.draft.refuse(from, `its host ${shown} is no address, and no name that resolves here`)
    } else {
      this.draft.warn(from, `its host ${shown} is a name, which this agent resolves to ${address}`)
    }
    return address
  }

  #metadataOf(entry: HealthEntry, own: Record<string, string>, from: string) {
    const pairs = [...Object.entries(own), ['node', entry.node] as const, ...plainMetadata(entry)]
    const { metadata, left } = fittingMetadata(pairs)
    left.forEach((name) => this.draft.warn(from, leftOutWarning(name)))
    return metadata
  }
}

/** The service that Consul's own servers are; nobody reaches their RPC through a gateway. */
export const OWN_SERVICE = 'consul'

export function makeConsulLevel(reading: ConsulReading, machine: SourceMachine): SourceLevel {
  const level = new ConsulLevel(reading, machine)
  level.draft.explain(OWN_SERVICE, "Consul's own servers are left out")
  for (const name of [...reading.services.keys()].sort(byOwnSpelling)) {
    level.addService(name, reading.services.get(name) ?? [])
  }
  reading.refused.forEach((reason, name) => level.draft.refuse(name, reason))
  return level.draft.level
}
