/**
 * Registrator's `SERVICE_*` grammar, in environment or labels, as registrator reads it with
 * `-explicit` and `-internal`: a container takes part once it names something, and every port that
 * it exposes counts. Pure.
 */
import { isInstanceId, isName } from '../../contract/guard/names.js'
import type { Container } from '../engine/container.js'
import type { Offer, Offers } from './offers.js'

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

function guardNames(source: string, upstream: string, id: string | undefined): string[] {
  const shown = (text: string) => JSON.stringify(text.slice(0, 80))
  const problems: string[] = []
  if (!isName(upstream)) {
    problems.push(`${source} ${shown(upstream)} must be 1 to 63 of a-z, 0-9 and - inside`)
  }
  if (id !== undefined && !isInstanceId(id)) {
    problems.push(`SERVICE_ID ${shown(id)} must be 1 to 128 of A-Z a-z 0-9 _ . : -`)
  }
  return problems
}

function readPort(
  container: Container,
  pairs: Pairs,
  port: number,
  result: Offers,
): Offer | undefined {
  const several = container.tcpPorts.length + container.udpPorts.length > 1
  const { fields, own } = fieldsOf(pairs, port)
  const name = fields.get('name') ?? ''
  if (name === '' || (fields.get('ignore') ?? '') !== '') {
    return undefined
  }
  const source = own.has('name') ? `SERVICE_${port}_NAME` : 'SERVICE_NAME'
  const upstream = several && !own.has('name') ? `${name}-${port}` : name
  const upstreamWhy = upstream === name ? source : `${source} and the port, as several are exposed`
  const id = fields.get('id') || undefined
  const metadata = metadataOf(container, port, fields.get('tags'))
  result.problems.push(...guardNames(source, upstream, id))
  const traits = { weight: 1, maxConns: undefined, backup: false, zone: undefined }
  const named = { source, upstream, upstreamWhy, id, metadata }
  return { ...named, ...traits, port, hosts: [], pathPrefix: '/' }
}

function warn(container: Container, pairs: Pairs, result: Offers): void {
  if (pairs.some(([name]) => /^(\d+_)?check_/.test(name))) {
    result.warnings.push(
      'SERVICE_CHECK_* is not used: HEALTHCHECK or a TCP probe decides when the container is up',
    )
  }
  const udp = container.udpPorts
  if (udp.length > 0) {
    result.warnings.push(`UDP port ${udp.join(', ')} is not registered: instances are TCP`)
  }
}

/** One offer for each exposed TCP port that has a name and is not ignored. */
export function readServiceOffers(container: Container): Offers {
  const result: Offers = { offers: [], network: undefined, problems: [], warnings: [] }
  const pairs = pairsOf(container)
  for (const port of container.tcpPorts) {
    const offer = readPort(container, pairs, port, result)
    if (offer !== undefined) {
      result.offers.push(offer)
    }
  }
  warn(container, pairs, result)
  const ignored = pairs.some(([name, value]) => /^(\d+_)?ignore$/.test(name) && value !== '')
  if (container.tcpPorts.length === 0 && !ignored) {
    result.problems.push('SERVICE_NAME is set, but the container exposes no TCP port')
  }
  return result
}
