/**
 * Registrator's `SERVICE_*` grammar, in environment or labels: each published port is a service,
 * or each exposed one, as with its `-internal`. Pure.
 */
import type { Transport } from '../../contract/record/stream-route.js'
import { isInstanceId } from '../../contract/guard/names.js'
import type { DialectSettings } from '../../runtime/config/settings.js'
import type { Container } from '../engine/container.js'
import { MOST_INSTANCES } from './label-limits.js'
import type { Offer, Offers } from './offer.js'
import type { Dialect } from './dialect.js'
import { LeftOut } from './left-out.js'
import { PLAIN_OFFER, nameOffer } from './offer-name.js'
import { checkSettings } from './registrator-checks.js'
import { routesOfTags } from './service-tags.js'

const PREFIX = 'SERVICE_'

type Pairs = ReadonlyArray<readonly [name: string, value: string]>

/** Environment first, labels after: of two that say the same, the later one holds. */
function pairsOf(container: Container): Pairs {
  return [...container.env, ...Object.entries(container.labels)]
    .filter(([name]) => name.startsWith(PREFIX))
    .map(([name, value]) => [name.slice(PREFIX.length).toLowerCase(), value] as const)
}

interface ServicePort {
  port: number
  transport: Transport
}

/** What is said of one port: `SERVICE_<port>_<key>` over `SERVICE_<key>`, whichever comes first. */
interface Said {
  fields: Map<string, string>
  /** Keys that are said of this port alone. */
  own: Set<string>
}

function saidOf(pairs: Pairs, port: number): Said {
  const general = new Map<string, string>()
  const own = new Map<string, string>()
  for (const [name, value] of pairs) {
    const numbered = /^(\d+)_(.+)$/.exec(name)
    if (numbered === null) {
      general.set(name, value)
    } else if (Number(numbered[1]) === port) {
      own.set(numbered[2] ?? '', value)
    }
  }
  return { fields: new Map([...general, ...own]), own: new Set(own.keys()) }
}

function hasServiceName(container: Container): boolean {
  return pairsOf(container).some(([name, value]) => /^(\d+_)?name$/.test(name) && value !== '')
}

/** `a,b\,c` → `['a', 'b,c']` */
function splitTags(text: string): string[] {
  return text
    .split(/(?<!\\),/)
    .map((tag) => tag.replaceAll('\\,', ',').trim())
    .filter((tag) => tag !== '')
}

/** Tags, and whatever else is said, as registrator publishes it. */
function metadataOf({ fields }: Said, tags: readonly string[]): Record<string, string> {
  const own = [...fields].filter(([name]) => !/^(name|id|ignore|tags|check_.*)$/.test(name))
  const list = tags.map((tag) => tag.replaceAll(',', '\\,'))
  return { ...Object.fromEntries(own), ...(list.length > 0 && { tags: list.join(',') }) }
}

/** `ghcr.io/acme/shop:1.2` → `shop` */
function baseName(image: string): string {
  return (image.split('/').at(-1) ?? '').replace(/[:@].*$/, '')
}

/** Ports of the host's network are published as they are. */
function servicePorts(container: Container, settings: DialectSettings): ServicePort[] {
  const { tcpPorts, udpPorts, published, networkMode } = container
  const exposed = [
    ...tcpPorts.map((port): ServicePort => ({ port, transport: 'tcp' })),
    ...udpPorts.map((port): ServicePort => ({ port, transport: 'udp' })),
  ]
  const isPublished = ({ port, transport }: ServicePort) =>
    published.some((each) => each.port === port && (each.transport ?? 'tcp') === transport)
  return settings.registratorInternal || networkMode === 'host'
    ? exposed
    : exposed.filter(isPublished)
}

interface Context {
  container: Container
  settings: DialectSettings
  ports: readonly ServicePort[]
  result: Offers & { refused: string[] }
  leftOut: LeftOut
}

function nameOf(said: Said, port: number, { container, settings, ports }: Context) {
  const isOwn = said.own.has('name')
  const label = isOwn ? `SERVICE_${port}_NAME` : 'SERVICE_NAME'
  const chosen = said.fields.get('name') ?? ''
  const isImage = chosen === '' && !settings.registratorExplicit
  const source = isImage ? 'image' : label
  const name = isImage ? baseName(container.image) : chosen
  if (name === '' || (said.fields.get('ignore') ?? '') !== '') {
    return undefined
  }
  const isSeveral = ports.length > 1 && !isOwn
  const why = isSeveral ? `${source} and the port, as there are several` : source
  return { source, given: isSeveral ? `${name}-${port}` : name, why }
}

function readPort(pairs: Pairs, { port, transport }: ServicePort, context: Context): Offer[] {
  const { settings, result, leftOut } = context
  const said = saidOf(pairs, port)
  const named = nameOf(said, port, context)
  if (named === undefined) {
    return []
  }
  const { source, given, why } = named
  const names = nameOffer(given, why, result.problems)
  const id = said.fields.get('id') || undefined
  if (id !== undefined && !isInstanceId(id)) {
    const shown = JSON.stringify(String(id).slice(0, 80))
    result.problems.push(`SERVICE_ID ${shown} must be 1 to 128 of A-Z a-z 0-9 _ . : -`)
  }
  const tags = splitTags(said.fields.get('tags') ?? '')
  const { routes, refused } = routesOfTags({ ...names, tags }, settings)
  result.refused.push(...refused)
  const labelOf = (key: string) =>
    `${PREFIX}${said.own.has(key) ? `${port}_` : ''}${key.toUpperCase()}`
  const checked = { settings: checkSettings(said.fields, labelOf, leftOut) }
  const metadata = metadataOf(said, tags)
  return [{ ...PLAIN_OFFER, source, ...names, ...checked, id, metadata, routes, port, transport }]
}

/** One offer for each port that has a name and is not ignored. */
function read(container: Container, settings: DialectSettings): Offers {
  const warnings: string[] = []
  const base = { offers: [], network: undefined, problems: [], refused: [], warnings }
  const result: Offers & { refused: string[] } = base
  const pairs = pairsOf(container)
  const ports = servicePorts(container, settings)
  const context = { container, settings, ports, result, leftOut: new LeftOut() }
  // One more than there may be: then all of it is refused.
  for (const port of ports) {
    if (result.offers.length <= MOST_INSTANCES) {
      result.offers.push(...readPort(pairs, port, context))
    }
  }
  warnings.push(...context.leftOut.warnings('registrator'))
  const isIgnored = pairs.some(([name, value]) => /^(\d+_)?ignore$/.test(name) && value !== '')
  if (ports.length === 0 && !isIgnored) {
    const which = settings.registratorInternal
      ? 'exposes no port'
      : 'publishes no port; SLUICE_REGISTRATOR_INTERNAL=true counts those that it exposes'
    result.problems.push(`SERVICE_NAME is set, but the container ${which}`)
  }
  return result
}

/** A SERVICE_NAME or SERVICE_<port>_NAME asks; or each port, where images give names. */
export const registrator: Dialect = {
  asks: (container, settings) =>
    hasServiceName(container) ||
    (!settings.registratorExplicit && servicePorts(container, settings).length > 0),
  read,
}
