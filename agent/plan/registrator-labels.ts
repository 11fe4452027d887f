/**
 * Registrator's `SERVICE_*` grammar, in environment or labels, as registrator reads it with
 * `-explicit` and `-internal`: a container takes part once it names something, and every port that
 * it exposes counts. Pure.
 */
import type { Transport } from '../../contract/record/stream-route.js'
import { isInstanceId } from '../../contract/guard/names.js'
import type { Container } from '../engine/container.js'
import { FOLD_RULE, foldName } from '../../contract/guard/fold-name.js'
import { MOST_INSTANCES } from './label-limits.js'
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

/** What is said of all ports, and of some by their numbers. */
interface Said {
  general: Map<string, string>
  byPort: Map<number, Map<string, string>>
}

function saidIn(pairs: Pairs): Said {
  const said: Said = { general: new Map(), byPort: new Map() }
  for (const [name, value] of pairs) {
    const numbered = /^(\d+)_(.+)$/.exec(name)
    if (numbered === null) {
      said.general.set(name, value)
    } else {
      const port = Number(numbered[1])
      const own = said.byPort.get(port) ?? new Map<string, string>()
      said.byPort.set(port, own.set(numbered[2] ?? '', value))
    }
  }
  return said
}

/** What holds for one port: `SERVICE_<port>_<key>` over `SERVICE_<key>`, whichever comes first. */
function fieldOf({ general, byPort }: Said, port: number, key: string): string {
  return byPort.get(port)?.get(key) ?? general.get(key) ?? ''
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
function metadataOf(labels: Said, port: number, tags: string) {
  const metadata: Record<string, string> = {}
  for (const [name, value] of [...labels.general, ...(labels.byPort.get(port) ?? [])]) {
    if (!/^(name|id|ignore|tags|check_.*)$/.test(name)) {
      metadata[name] = value
    }
  }
  const list = splitTags(tags).map((tag) => tag.replaceAll(',', '\\,'))
  return list.length === 0 ? metadata : { ...metadata, tags: list.join(',') }
}

function guardNames(source: string, given: string, id: string | undefined): string[] {
  const shown = (text: string) => JSON.stringify(text.slice(0, 80))
  const problems: string[] = []
  if (foldName(given) === undefined) {
    const rule = `must be 1 to 63 characters of a-z, 0-9 and - after ${FOLD_RULE}`
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
  ...{ routes: [], settings: undefined },
}

/** What is read for each port of a container. */
interface Context {
  container: Container
  said: Said
  /** By labels alone. */
  labels: Said
}

function readPort(
  { container, said, labels }: Context,
  { port, transport }: ExposedPort,
  result: Offers,
): Offer | undefined {
  const several = container.tcpPorts.length + container.udpPorts.length > 1
  const name = fieldOf(said, port, 'name')
  if (name === '' || fieldOf(said, port, 'ignore') !== '') {
    return undefined
  }
  const isOwn = said.byPort.get(port)?.has('name') === true
  const source = isOwn ? `SERVICE_${port}_NAME` : 'SERVICE_NAME'
  const given = several && !isOwn ? `${name}-${port}` : name
  const upstream = foldName(given) ?? ''
  const why = given === name ? source : `${source} and the port, as several are exposed`
  const folded = upstream === given ? '' : `, folded from ${JSON.stringify(given)}: ${FOLD_RULE}`
  const id = fieldOf(said, port, 'id') || undefined
  const metadata = metadataOf(labels, port, fieldOf(said, port, 'tags'))
  result.problems.push(...guardNames(source, given, id))
  const named = {
    source,
    upstream,
    given,
    isNameChosen: true,
    upstreamWhy: why + folded,
    id,
    metadata,
  }
  return { ...named, ...UNSAID, port, transport }
}

const MOST_NAMED = 8

function warn(container: Container, pairs: Pairs, left: readonly number[], result: Offers): void {
  if (pairs.some(([name]) => /^(\d+_)?check_/.test(name))) {
    result.warnings.push(
      'SERVICE_CHECK_* is not used: HEALTHCHECK or a TCP probe decides when the container is up',
    )
  }
  if (left.length > 0) {
    const shown = left.slice(0, MOST_NAMED)
    const more = left.length > shown.length ? ` and ${left.length - shown.length} more` : ''
    const names = shown.map((port) => `SERVICE_${port}_NAME`).join(', ')
    result.warnings.push(`UDP port ${shown.join(', ')}${more} is not registered: it needs ${names}`)
  }
}

/** One offer for each exposed port that has a name and is not ignored. */
export function readServiceOffers(container: Container): Offers {
  const result: Offers = { offers: [], network: undefined, problems: [], warnings: [] }
  const pairs = pairsOf(container)
  const labels = saidIn(select(Object.entries(container.labels)))
  const context: Context = { container, said: saidIn(pairs), labels }
  const tcp = new Set(container.tcpPorts)
  // A UDP port counts when it is named by its number, or when there is no TCP port to be meant.
  const isServed = (port: number) =>
    !tcp.has(port) && (tcp.size === 0 || context.said.byPort.get(port)?.has('name') === true)
  const udp = container.udpPorts.filter(isServed)
  const exposed = [
    ...container.tcpPorts.map((port): ExposedPort => ({ port, transport: 'tcp' })),
    ...udp.map((port): ExposedPort => ({ port, transport: 'udp' })),
  ]
  for (const each of exposed) {
    const offer = readPort(context, each, result)
    if (offer !== undefined) {
      result.offers.push(offer)
    }
    if (result.offers.length > MOST_INSTANCES) {
      break
    }
  }
  const left = container.udpPorts.filter((port) => !isServed(port))
  warn(container, pairs, left, result)
  const ignored = pairs.some(([name, value]) => /^(\d+_)?ignore$/.test(name) && value !== '')
  if (exposed.length === 0 && !ignored) {
    result.problems.push('SERVICE_NAME is set, but the container exposes no port')
  }
  return result
}
