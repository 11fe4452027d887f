/** An inspected container → the instances and routes that it asks for, or why not. Pure. */
import { createHash } from 'node:crypto'
import { AGENT_ROUTES } from '../../contract/keys.js'
import { checkInstance } from '../../contract/record/records.js'
import type { InstanceRecord } from '../../contract/record/records.js'
import type { RouteRecord } from '../../contract/record/route.js'
import { isInstanceId } from '../../contract/guard/names.js'
import { shortId } from '../engine/container.js'
import type { Container } from '../engine/container.js'
import { hasSluiceLabels, isDisabled, isOnlyEnabled, readOffers } from './offers.js'
import type { Offer, Offers } from './offers.js'
import { chooseAddress, choosePort } from './place.js'
import type { AgentHost } from './place.js'
import { hasServiceName, readServiceOffers } from './registrator.js'

interface WantedRoute {
  id: string
  record: RouteRecord
}

/** `record.state` is `up` here; `container-state.ts` decides what it becomes. */
export interface WantedInstance {
  upstream: string
  id: string
  record: InstanceRecord
  routes: WantedRoute[]
}

export interface Reading {
  /** Whether the container asks for anything at all. */
  asked: boolean
  instances: WantedInstance[]
  /** Why it, or one of its ports, is not registered. */
  refused: Array<{ reason: string }>
  /** How each choice was made. */
  why: string[]
  /** What was overlooked without harm: labels that nobody knows, values that are too long. */
  warnings: string[]
}

function digest(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length)
}

/** What the ids of one agent's routes begin with: they have no lease by which to find them. */
export function routePrefix(agent: string): string {
  return `${AGENT_ROUTES}${digest(agent, 8)}-`
}

/** Each agent has a route of its own for a host, so that it takes away only its own. */
function routesOf(offer: Offer, agent: string): WantedRoute[] {
  return offer.hosts.map((host) => ({
    id: routePrefix(agent) + digest([host, offer.pathPrefix, offer.upstream].join(' '), 20),
    record: { hosts: [host], pathPrefix: offer.pathPrefix, upstream: offer.upstream },
  }))
}

/** Stable over restarts of the container, and distinct for replicas, as names are. */
function idOf(offer: Offer, container: Container, agent: string, port: number): string {
  const id = offer.id ?? `${agent}:${container.name}:${port}`
  return isInstanceId(id) ? id : `${agent}:${shortId(container.id)}:${port}`
}

const MOST_METADATA = 32

function isMetadata(name: string, value: string): boolean {
  return (
    /^[A-Za-z0-9_.-]{1,64}$/.test(name) &&
    value.length <= 256 &&
    !/[\u0000-\u001f\u007f]/.test(value)
  )
}

function ownMetadata(container: Container): Array<[string, string | undefined]> {
  const { labels } = container
  return [
    ['container', container.name],
    ['containerId', shortId(container.id)],
    ['startedAt', container.startedAt],
    ['image', container.image.slice(0, 256)],
    ['project', labels['com.docker.compose.project']],
    ['service', labels['com.docker.compose.service']],
  ]
}

function metadataOf(
  container: Container,
  offer: Offer,
  warnings: string[],
): Record<string, string> {
  const own = ownMetadata(container)
  const names = own.map(([name]) => name)
  const said = Object.entries(offer.metadata).filter(([name]) => !names.includes(name))
  const metadata: Record<string, string> = {}
  for (const [name, value] of [...own, ...said]) {
    if (value === undefined || value === '') {
      continue
    }
    if (isMetadata(name, value) && Object.keys(metadata).length < MOST_METADATA) {
      metadata[name] = value
    } else {
      const shown = JSON.stringify(name.slice(0, 64))
      warnings.push(`metadata ${shown} is left out: too long, too many, or not plain text`)
    }
  }
  return metadata
}

type Made = { ok: true; instance: WantedInstance; why: string[] } | { ok: false; reason: string }

function makeInstance(
  offer: Offer,
  container: Container,
  host: AgentHost,
  network: string | undefined,
  warnings: string[],
): Made {
  const port = choosePort(container, offer.port)
  if (!port.ok) {
    return port
  }
  const place = chooseAddress(container, host, network, port.value)
  if (!place.ok) {
    return place
  }
  const { upstream, weight, maxConns, backup, zone } = offer
  const metadata = metadataOf(container, offer, warnings)
  const wish = {
    ...{ ...place.value, weight, state: 'up', metadata, agent: host.agent },
    ...(maxConns !== undefined && { maxConns }),
    ...(backup && { backup }),
    ...(zone !== undefined && { zone }),
  }
  const record = checkInstance(wish, { allowLoopback: host.allowLoopback })
  if (!record.ok) {
    return { ok: false, reason: `${record.field} ${record.message}` }
  }
  const id = idOf(offer, container, host.agent, port.value)
  const routes = routesOf(offer, host.agent)
  const why = [`upstream ${upstream}: ${offer.upstreamWhy}`, port.why, place.why]
  return { ok: true, instance: { upstream, id, record: record.value, routes }, why }
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

/**
 * A container takes part by a `sluice.*` label, or by SERVICE_NAME. When it has both, `sluice.*`
 * wins, unless all that it says is `sluice.enable=true`.
 */
function offersOf(container: Container): Offers | undefined {
  if (isDisabled(container)) {
    return undefined
  }
  const named = hasServiceName(container)
  if (hasSluiceLabels(container) && !(named && isOnlyEnabled(container))) {
    return readOffers(container)
  }
  return named ? readServiceOffers(container) : undefined
}

/**
 * What a container asks for. A wrong value refuses all of the container, by name. A port that has
 * no address refuses that port alone.
 */
export function readLabels(container: Container, host: AgentHost): Reading {
  const reading: Reading = { asked: false, instances: [], refused: [], why: [], warnings: [] }
  const offers = offersOf(container)
  if (offers === undefined) {
    reading.why.push(
      isDisabled(container) ? 'sluice.enable is false' : 'no sluice.* label and no SERVICE_NAME',
    )
    return reading
  }
  reading.asked = true
  reading.warnings.push(...offers.warnings)
  if (offers.problems.length > 0) {
    reading.refused.push(...offers.problems.map((reason) => ({ reason })))
    return reading
  }
  for (const offer of offers.offers) {
    const made = makeInstance(offer, container, host, offers.network, reading.warnings)
    if (made.ok) {
      reading.instances.push(made.instance)
      reading.why.push(...made.why)
    } else {
      reading.refused.push({ reason: `${offer.source}: ${made.reason}` })
    }
  }
  refuseTwice(reading)
  return reading
}
