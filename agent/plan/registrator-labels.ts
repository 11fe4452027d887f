/**
 * Registrator's `SERVICE_*` grammar, in environment or labels, as registrator reads it with
 * `-explicit` and `-internal`: a container takes part once it names something, and every port that
 * it exposes counts. Pure.
 */
import type { Transport } from '../../contract/record/stream-route.js'
import { isInstanceId } from '../../contract/guard/names.js'
import type { Container } from '../engine/container.js'
import { FOLD_RULE, foldName } from './fold-name.js'
import type { Offer, Offers } from './offer.js'

const PREFIX = 'SERVICE_'

type Pairs = ReadonlyArray<readonly [name: string, value: string]>

function select(pairs: Pairs): Pairs {
  return pairs
    .filter(([name]) => name.startsWith(PREFIX))
    .map(([name, value]) => [name.slice(PREFIX.length).toLowerCase(), value] as const)
}

/** Environment first, labels after: of two that say the same, the later one holds. */
function pairsOf(container: Container): Pairs {
  return select([...container.env, ...Object.entries(container.labels)])
}

interface ExposedPort {
  port: number
  transport: Transport
}

interface PortFields {
  fields: Map<string, string>
  /** Those that were said of this port by its number. */
  own: Set<string>
}

/** What holds for one port: `SERVICE_<port>_<key>` over `SERVICE_<key>`, whichever comes first. */
function fieldsOf(pairs: Pairs, port: number): PortFields {
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

/** True when the container has a SERVICE_NAME or a SERVICE_<port>_NAME that is not empty. */
export function hasServiceName(container: Container): boolean {
  return pairsOf(container).some(([name, value]) => /^(\d+_)?name$/.test(name) && value !== '')
}

/** `a,b\,c` → `['a', 'b,c']` */
function splitTags(text: string): string[] {
  return text
    .split(/(?<!\\),/)
    .map((tag) => tag.replaceAll('\\,', ',').trim())
    .filter((tag) => tag !== '')
}

/**
 * Tags, and whatever else labels say. Registrator publishes the environment's too. Nothing
 * distinguishes a SERVICE_REGION from a SERVICE_PASSWORD, so the environment's is not published.
 */
function metadataOf(container: Container, port: number, tags: string | undefined) {
  const metadata: Record<string, string> = {}
  const said = fieldsOf(select(Object.entries(container.labels)), port).fields
  for (const [name, value] of said) {
    if (!/^(name|id|ignore|tags|check_.*)$/.test(name)) {
      metadata[name] = value
    }
  }
  const list = splitTags(tags ?? '').map((tag) => tag.replaceAll(',', '\\,'))
  return list.length === 0 ? metadata : { ...metadata, tags: list.join(',') }
}

function guardNames(source: string, given: string, id: string | undefined): string[] {
  const shown = (text: string) => JSON.stringify(text.slice(0, 80))
  const problems: string[] = []
  if (foldName(given) === undefined) {
    const rule = `must be 1 to 63 of a-z, 0-9 and - inside, after ${FOLD_RULE}`
    problems.push(`${source} ${shown(given)} ${rule}`)
  }
  if (id !== undefined && !isInstanceId(id)) {
    problems.push(`SERVICE_ID ${shown(id)} must be 1 to 128 of A-Z a-z 0-9 _ . : -`)
  }
  return problems
}

/** What registrator's grammar does not say. */
const UNSAID = {
  ...{ weight: 1, maxConns: undefined, backup: false, zone: undefined },
  ...{ hosts: [], pathPrefix: '/', stripPrefix: false, ports: [] },
  settings: undefined,
}

function readPort(
  container: Container,
  pairs: Pairs,
  { port, transport }: ExposedPort,
  result: Offers,
): Offer | undefined {
  const several = container.tcpPorts.length + container.udpPorts.length > 1
  const { fields, own } = fieldsOf(pairs, port)
  const name = fields.get('name') ?? ''
  if (name === '' || (fields.get('ignore') ?? '') !== '') {
    return undefined
  }
  const source = own.has('name') ? `SERVICE_${port}_NAME` : 'SERVICE_NAME'
  const given = several && !own.has('name') ? `${name}-${port}` : name
  const upstream = foldName(given) ?? ''
  const why = given === name ? source : `${source} and the port, as several are exposed`
  const folded = upstream === given ? '' : `, folded from ${JSON.stringify(given)}: ${FOLD_RULE}`
  const id = fields.get('id') || undefined
  const metadata = metadataOf(container, port, fields.get('tags'))
  result.problems.push(...guardNames(source, given, id))
  const named = { source, upstream, given, isNamed: true, upstreamWhy: why + folded, id, metadata }
  return { ...named, ...UNSAID, port, transport }
}

function warn(container: Container, pairs: Pairs, result: Offers): void {
  if (pairs.some(([name]) => /^(\d+_)?check_/.test(name))) {
    result.warnings.push(
      'SERVICE_CHECK_* is not used: HEALTHCHECK or a TCP probe decides when the container is up',
    )
  }
  const left = container.udpPorts.filter((port) => !isUdpServed(container, pairs, port))
  if (left.length > 0) {
    const names = left.map((port) => `SERVICE_${port}_NAME`).join(', ')
    result.warnings.push(`UDP port ${left.join(', ')} is not registered: it needs ${names}`)
  }
}

/** A UDP port counts when it is named by its number, or when there is no TCP port to be meant. */
function isUdpServed(container: Container, pairs: Pairs, port: number): boolean {
  const isNamed = fieldsOf(pairs, port).own.has('name')
  return !container.tcpPorts.includes(port) && (isNamed || container.tcpPorts.length === 0)
}

/** One offer for each exposed port that has a name and is not ignored. */
export function readServiceOffers(container: Container): Offers {
  const result: Offers = { offers: [], network: undefined, problems: [], warnings: [] }
  const pairs = pairsOf(container)
  const udp = container.udpPorts.filter((port) => isUdpServed(container, pairs, port))
  const exposed = [
    ...container.tcpPorts.map((port): ExposedPort => ({ port, transport: 'tcp' })),
    ...udp.map((port): ExposedPort => ({ port, transport: 'udp' })),
  ]
  for (const each of exposed) {
    const offer = readPort(container, pairs, each, result)
    if (offer !== undefined) {
      result.offers.push(offer)
    }
  }
  warn(container, pairs, result)
  const ignored = pairs.some(([name, value]) => /^(\d+_)?ignore$/.test(name) && value !== '')
  if (exposed.length === 0 && !ignored) {
    result.problems.push('SERVICE_NAME is set, but the container exposes no port')
  }
  return result
}
