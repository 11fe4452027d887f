/** An inspected container → the instances and routes that it asks for, or why not. Pure. */
import { createHash } from 'node:crypto'
import { guardInstance } from '../../contract/record/instance-record.js'
import type { UpstreamRecord } from '../../contract/record/upstream-record.js'
import type { InstanceRecord } from '../../contract/record/instance-record.js'
import { guardRoute } from '../../contract/record/route.js'
import type { RouteRecord } from '../../contract/record/route.js'
import { guardStreamRoute, isStreamRoute } from '../../contract/record/stream-route.js'
import type { StreamRouteRecord, Transport } from '../../contract/record/stream-route.js'
import { isInstanceId } from '../../contract/guard/names.js'
import { agentRoutePrefix } from '../../runtime/agent-routes.js'
import { DEFAULT_DIALECTS } from '../labels/dialect.js'
import { shortId } from '../engine/container.js'
import type { Container } from '../engine/container.js'
import { isDisabled, isOneOff, unknownLabels } from '../labels/label-names.js'
import { metadataOf } from './container-metadata.js'
import { isImageAlone, offersOf } from '../labels/container-offers.js'
import type { Offer, OfferRoute } from '../labels/offer.js'
import { chooseAddress, choosePort, directAddress } from './instance-address.js'
import { fewLines } from '../labels/few.js'
import { overreach } from '../labels/label-limits.js'
import type { AgentMachine, InstanceAddress } from './instance-address.js'

export interface WantedRoute {
  id: string
  record: RouteRecord | StreamRouteRecord
}

/** `record.state` is `up` here; `container-state.ts` decides what it becomes. */
export interface WantedInstance {
  upstream: string
  /** The upstream's name before it was folded, and whether somebody chose it. */
  given: string
  isNameChosen: boolean
  id: string
  transport: Transport
  /** Where this machine reaches it besides its registered address. */
  direct: InstanceAddress | undefined
  record: InstanceRecord
  routes: WantedRoute[]
  settings: UpstreamRecord | undefined
}

export interface Reading {
  /** Whether the container asks for anything at all. */
  asked: boolean
  instances: WantedInstance[]
  /** Why it, or one of its ports, is not registered. */
  refused: Array<{ reason: string }>
  /** How each choice was made. */
  why: string[]
  /** What was ignored without harm: labels that nobody knows, values that are too long. */
  warnings: string[]
}

function digest(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length)
}

/** Of routes that only strip their prefix the id was made so before routes could do more. */
function partsOf(route: OfferRoute, upstream: string): string[] {
  if (!('hosts' in route)) {
    return 'sni' in route
      ? ['sni', ...route.sni, String(route.port ?? ''), upstream]
      : [route.protocol, String(route.port), upstream]
  }
  const { hosts, pathPrefix, rewrite, ...more } = route
  const plain = rewrite?.stripPrefix === true ? ['strip'] : rewrite ? [JSON.stringify(rewrite)] : []
  const others = Object.keys(more).length === 0 ? [] : [JSON.stringify(more)]
  return [...hosts, pathPrefix, upstream, ...plain, ...others]
}

/**
 * Each agent has a route of its own for a host, so that it takes away only its own. What a guard
 * refuses is left out, and said in `refused`.
 */
export function routesOf(offer: Offer, agent: string, refused: string[]): WantedRoute[] {
  const { upstream, source } = offer
  return offer.routes.flatMap((route) => {
    const wish = { ...route, upstream }
    const guarded = isStreamRoute(wish) ? guardStreamRoute(wish) : guardRoute(wish)
    if (!guarded.ok) {
      refused.push(`${source}: its route is refused: ${guarded.field} ${guarded.message}`)
      return []
    }
    const id = agentRoutePrefix(agent) + digest(partsOf(route, upstream).join(' '), 20)
    return [{ id, record: guarded.value }]
  })
}

/** Stable over restarts of the container, and distinct for replicas, as names are. */
function idOf(offer: Offer, container: Container, agent: string, port: number): string {
  const id = offer.id ?? `${agent}:${container.name}:${port}`
  return isInstanceId(id) ? id : `${agent}:${shortId(container.id)}:${port}`
}

type Made =
  | { ok: true; instance: WantedInstance; why: string[]; refused: string[] }
  | { ok: false; reason: string }

/** Who is asked, and where: an offer is read for one container on one machine. */
interface Context {
  container: Container
  /** Whose addresses the container has: its own, or those of the one whose network it shares. */
  networked: Container
  machine: AgentMachine
  network: string | undefined
  warnings: string[]
}

function recordOf(offer: Offer, address: InstanceAddress, context: Context) {
  const { weight, maxConns, backup, zone } = offer
  const { container, machine, warnings } = context
  const metadata = metadataOf(container, offer, warnings)
  const wish = {
    ...{ host: address.host, port: address.port },
    ...{ weight, state: 'up', metadata, agent: machine.agent },
    ...(maxConns !== undefined && { maxConns }),
    ...(backup && { backup }),
    ...(zone !== undefined && { zone }),
  }
  return guardInstance(wish, { allowLoopback: machine.allowLoopback })
}

function makeInstance(offer: Offer, context: Context): Made {
  const { container, networked, machine } = context
  const network = offer.network ?? context.network
  const port = choosePort(container, offer)
  if (!port.ok) {
    return port
  }
  const wanted = { ...port.value, network }
  const address = chooseAddress(networked, machine, wanted)
  if (!address.ok) {
    return address
  }
  const record = recordOf(offer, address.value, context)
  if (!record.ok) {
    return { ok: false, reason: `${record.field} ${record.message}` }
  }
  const { upstream, given, isNameChosen } = offer
  const why = [`upstream ${upstream}: ${offer.upstreamWhy}`, port.why, address.why]
  const refused: string[] = []
  const instance = {
    ...{ upstream, given, isNameChosen, transport: port.value.transport, record: record.value },
    id: idOf(offer, container, machine.agent, port.value.port),
    direct: directAddress(networked, address.value, port.value.port),
    routes: routesOf(offer, machine.agent, refused),
    settings: offer.settings,
  }
  return { ok: true, instance, why, refused }
}

function refuseTwice(reading: Reading): void {
  const seen = new Set<string>()
  reading.instances = reading.instances.filter(({ upstream, id }) => {
    const key = `${upstream}/${id}`
    const twice = seen.has(key)
    if (twice) {
      reading.refused.push({ reason: `instance ${id} of upstream ${upstream} is named twice` })
    }
    seen.add(key)
    return !twice
  })
}

/** `container:<id>` → whose network it is; the container's own otherwise. */
function networkOf(
  container: Container,
  all: ReadonlyMap<string, Container>,
): { ok: true; value: Container } | { ok: false; reason: string } {
  const owner = /^container:(.+)$/.exec(container.networkMode)?.[1]
  if (owner === undefined) {
    return { ok: true, value: container }
  }
  const value =
    all.get(owner) ?? [...all.values()].find(({ id, name }) => name === owner || id === owner)
  return value === undefined || value.status === 'stopped'
    ? { ok: false, reason: `container ${shortId(owner)}, whose network it shares, does not run` }
    : networkOf(value, new Map([...all].filter(([id]) => id !== container.id)))
}

function whyNotAsked(container: Container, hasOffers: boolean): string {
  if (hasOffers) {
    return 'all of its labels are from its image: start it with sluice.enable=true'
  }
  if (isOneOff(container)) {
    return 'it is a one-off container of compose: start it with sluice.oneoff=true'
  }
  return isDisabled(container)
    ? 'sluice.enable is false'
    : 'no label that SLUICE_LABELS reads asks for it'
}

const NOBODY: ReadonlyMap<string, Container> = new Map()

/**
 * What a container asks for. A wrong value refuses all of the container, by name. A port that has
 * no address refuses that port alone. `all` are the machine's containers by id.
 */
export function readContainer(container: Container, machine: AgentMachine, all = NOBODY): Reading {
  const reading: Reading = { asked: false, instances: [], refused: [], why: [], warnings: [] }
  const settings = machine.dialects ?? DEFAULT_DIALECTS
  const offers = offersOf(container, settings)
  if (!isDisabled(container)) {
    reading.warnings.push(...unknownLabels(container))
  }
  if (offers === undefined || isImageAlone(container, settings)) {
    reading.why.push(whyNotAsked(container, offers !== undefined))
    return reading
  }
  reading.asked = true
  reading.warnings.push(...offers.warnings)
  const networked = networkOf(container, all)
  const problems = [
    ...(offers.problems.length > 0 ? offers.problems : overreach(offers, machine.limits)),
    ...(networked.ok ? [] : [networked.reason]),
  ]
  if (!networked.ok || problems.length > 0) {
    reading.refused.push(...fewLines(problems, String).map((reason) => ({ reason })))
    return reading
  }
  reading.refused.push(...(offers.refused ?? []).map((reason) => ({ reason })))
  const { network } = offers
  const { warnings } = reading
  for (const offer of offers.offers) {
    const context = { container, networked: networked.value, machine, network, warnings }
    addOffer(offer, makeInstance(offer, context), reading)
  }
  refuseTwice(reading)
  return reading
}

function addOffer(offer: Offer, made: Made, reading: Reading): void {
  if (made.ok) {
    reading.instances.push(made.instance)
    reading.why.push(...made.why)
    reading.refused.push(...made.refused.map((reason) => ({ reason })))
  } else {
    reading.refused.push({ reason: `${offer.source}: ${made.reason}` })
  }
}
