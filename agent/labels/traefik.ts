/** Traefik's labels, of versions 2 and 3: routers, services and middlewares. Pure. */
import { portsIn } from '../../contract/guard/ports.js'
import { isWhole } from '../../contract/guard/names.js'
import { printConditions } from '../../contract/record/route-match.js'
import type { DialectSettings } from '../../runtime/config/settings.js'
import type { Container } from '../engine/container.js'
import type { Dialect } from './dialect.js'
import { MOST_INSTANCES } from './label-limits.js'
import { LeftOut } from './left-out.js'
import type { HttpOfferRoute, Offer, OfferRoute, Offers } from './offer.js'
import { PLAIN_OFFER, nameOffer } from './offer-name.js'
import { readMiddlewares, rewriteBy } from './traefik-middlewares.js'
import type { Effects, Options } from './traefik-middlewares.js'
import { parseRule } from './traefik-rule.js'
import { serviceSettings } from './traefik-service.js'

const LABEL = /^traefik\.(http|tcp|udp)\.(routers|services|middlewares)\.([^.]+)\.(.+)$/i

type Part = Map<string, Map<string, string>>

interface Context {
  settings: DialectSettings
  /** `http.routers` → name → option → text. */
  parts: Map<string, Part>
  defaultName: string
  result: Offers & { refused: string[] }
  leftOut: LeftOut
  offers: Map<string, Offer>
}

function partsOf({ labels }: Container, leftOut: LeftOut): Map<string, Part> {
  const parts = new Map<string, Part>()
  for (const [label, value] of Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [, kind = '', group = '', name = '', option = ''] = LABEL.exec(label) ?? []
    if (kind === '') {
      if (/^traefik\./i.test(label) && !/^traefik\.(enable|docker\.network)$/i.test(label)) {
        leftOut.add(label)
      }
      continue
    }
    const key = `${kind}.${group}`.toLowerCase()
    const part: Part = parts.get(key) ?? new Map<string, Map<string, string>>()
    const options = part.get(name.toLowerCase()) ?? new Map<string, string>()
    // Names of headers are the user's own.
    const isHeader = /^headers\.custom/i.test(option)
    const spelled = isHeader
      ? option.replace(/^[^.]+\.[^.]+/, (at) => at.toLowerCase())
      : option.toLowerCase()
    parts.set(key, part.set(name.toLowerCase(), options.set(spelled, value.trim())))
  }
  return parts
}

function listOf(text = ''): string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
}

/** Traefik's own: under Compose the service comes before the project. */
function defaultNameOf({ name, labels }: Container): string {
  const project = labels['com.docker.compose.project']
  const service = labels['com.docker.compose.service']
  return project === undefined || service === undefined ? name : `${service}-${project}`
}

/** The offer of a service; a string says why there is none. */
function offerOf(kind: string, router: Options, effects: Effects | undefined, context: Context) {
  const { parts, result, leftOut, offers, defaultName } = context
  const services = parts.get(`${kind}.services`) ?? new Map<string, Map<string, string>>()
  const named = router
    .get('service')
    ?.replace(/@docker$/, '')
    .toLowerCase()
  const [only, ...others] = services.keys()
  const service = named ?? (others.length === 0 ? only : undefined)
  if (named === undefined && others.length > 0) {
    return 'it names no service, and there are several'
  }
  const options: Options = services.get(service ?? '') ?? new Map<string, string>()
  if (named !== undefined && !services.has(named)) {
    return `service ${named.slice(0, 64)} is not defined by this container`
  }
  const known = offers.get(`${kind} ${service ?? ''}`)
  if (known !== undefined) {
    return known
  }
  const source = `traefik.${kind}.services.${service ?? defaultName}`
  const text = options.get('loadbalancer.server.port')
  if (text !== undefined && !isWhole(Number(text), 1, 65535)) {
    result.problems.push(`${source}: port ${JSON.stringify(text.slice(0, 64))} is none`)
  }
  const retry = effects?.retry === undefined ? {} : { retry: effects.retry }
  const weight = Number(options.get('loadbalancer.server.weight') ?? 1)
  const offer: Offer = {
    ...{ ...PLAIN_OFFER, ...nameOffer(service ?? defaultName, source, result.problems), source },
    ...{ port: text === undefined ? undefined : Number(text), routes: [], metadata: {} },
    transport: kind === 'udp' ? 'udp' : 'tcp',
    weight: isWhole(weight, 1, 1000) ? weight : 1,
    maxConns: effects?.maxConns,
    settings: serviceSettings(source, options, retry, leftOut),
  }
  offers.set(`${kind} ${service ?? ''}`, offer)
  return offer
}

/** A router of plain HTTP that redirects and one of HTTPS that serves are one route here. */
function addRoute(offer: Offer, route: HttpOfferRoute): void {
  const claimOf = (each: HttpOfferRoute) =>
    [...each.hosts, each.pathPrefix, printConditions(each)].join(' ')
  const same = offer.routes.find(
    (each): each is HttpOfferRoute => 'hosts' in each && claimOf(each) === claimOf(route),
  )
  if (same === undefined) {
    offer.routes.push(route)
  } else {
    Object.assign(same, route)
  }
}

function readHttpRouter(name: string, router: Options, context: Context): string {
  const { settings, parts, leftOut, defaultName } = context
  const rule = parseRule(router.get('rule') ?? `Host(\`${defaultName.toLowerCase()}\`)`)
  const middlewares = parts.get('http.middlewares') ?? new Map<string, Map<string, string>>()
  const effects = readMiddlewares(listOf(router.get('middlewares')), middlewares)
  if (typeof rule === 'string') {
    return `its rule: ${rule}`
  }
  if (typeof effects === 'string') {
    return effects
  }
  const offer = offerOf('http', router, effects, context)
  if (typeof offer === 'string') {
    return offer
  }
  for (const note of [...rule.notes, ...effects.notes]) {
    leftOut.add(note)
  }
  for (const entry of listOf(router.get('entrypoints'))) {
    if (!Object.hasOwn(settings.traefikEntrypoints, entry)) {
      leftOut.add(
        `entrypoint ${entry}`,
        'SLUICE_TRAEFIK_ENTRYPOINTS has it not: HTTP and HTTPS serve',
      )
    }
  }
  if (router.has('priority')) {
    leftOut.add(`priority of router ${name}`, 'the longest path, then most conditions, come first')
  }
  for (const option of router.keys()) {
    if (!/^(rule|service|middlewares|entrypoints|priority|tls)$/.test(option)) {
      leftOut.add(`router ${name}: ${option}`)
    }
  }
  for (const match of rule.matches) {
    for (const host of match.hosts) {
      const rewrite = rewriteBy(effects, match.pathPrefix)
      addRoute(offer, { ...match, hosts: [host], ...rewrite, ...effects.action })
    }
  }
  return ''
}

/** The gateway's ports that a router of TCP or UDP stands at. */
function streamPortsOf(router: Options, settings: DialectSettings): number[] | string {
  const open = portsIn(settings.streamPorts)
  const entries = listOf(router.get('entrypoints'))
  const known = new Map(Object.entries(settings.traefikEntrypoints))
  const closed = entries.find((entry) => !open.includes(known.get(entry) ?? 0))
  return closed === undefined
    ? entries.map((entry) => known.get(entry) ?? 0)
    : `entrypoint ${closed.slice(0, 64)} is no open port: see SLUICE_TRAEFIK_ENTRYPOINTS and SLUICE_STREAM_PORTS`
}

function streamRoutesOf(
  kind: string,
  router: Options,
  settings: DialectSettings,
): OfferRoute[] | string {
  const names = [...(router.get('rule') ?? '').matchAll(/HostSNI\(([^)]*)\)/gi)].flatMap((each) =>
    listOf((each[1] ?? '').replace(/[`"]/g, '')),
  )
  const isPlain = /^\s*(HostSNI\([^)]*\)(\s*\|\|\s*)?)+$/i.test(router.get('rule') ?? '')
  if (kind === 'tcp' && (!isPlain || names.length === 0)) {
    return 'its rule must be HostSNI(`*`) or names joined by ||'
  }
  const isAny = kind === 'udp' || names.includes('*')
  if (!isAny && router.get('tls.passthrough') !== 'true') {
    return 'names need tls.passthrough=true: TLS of TCP is not ended here'
  }
  const ports = streamPortsOf(router, settings)
  if (!isAny) {
    const own = typeof ports === 'string' ? [] : ports
    return own.length === 0 ? [{ sni: names }] : own.map((port) => ({ sni: names, port }))
  }
  if (typeof ports === 'string' || router.has('tls')) {
    return typeof ports === 'string' ? ports : 'TLS of TCP is not ended here'
  }
  const protocol = kind === 'udp' ? 'udp' : 'tcp'
  return ports.length === 0 ? 'it names no entrypoint' : ports.map((port) => ({ protocol, port }))
}

function readStreamRouter(kind: string, router: Options, context: Context): string {
  const routes = streamRoutesOf(kind, router, context.settings)
  if (typeof routes === 'string') {
    return routes
  }
  if (router.has('middlewares')) {
    return 'middlewares of TCP are not done here'
  }
  const offer = offerOf(kind, router, undefined, context)
  if (typeof offer === 'string') {
    return offer
  }
  offer.routes.push(...routes)
  return ''
}

function routersOf(parts: Map<string, Part>, kind: string): Array<[string, Options]> {
  return [...(parts.get(`${kind}.routers`) ?? [])]
}

function read(container: Container, settings: DialectSettings): Offers {
  const empty = { offers: [], network: undefined, problems: [], refused: [], warnings: [] }
  const result: Offers & { refused: string[] } = empty
  const leftOut = new LeftOut()
  const parts = partsOf(container, leftOut)
  const defaultName = defaultNameOf(container)
  const context = {
    settings,
    parts,
    defaultName,
    result,
    leftOut,
    offers: new Map<string, Offer>(),
  }
  const stream = [...routersOf(parts, 'tcp'), ...routersOf(parts, 'udp')]
  const http = routersOf(parts, 'http')
  // A container without routers has one, as there.
  const all =
    http.length === 0 && stream.length === 0
      ? [[defaultName, new Map()] as [string, Options]]
      : http
  const say = (kind: string, name: string, refusal: string) => {
    if (refusal !== '') {
      result.refused.push(`traefik.${kind}.routers.${name.slice(0, 64)}: ${refusal}`)
    }
  }
  all
    .slice(0, MOST_INSTANCES)
    .forEach(([name, router]) => say('http', name, readHttpRouter(name, router, context)))
  for (const kind of ['tcp', 'udp']) {
    routersOf(parts, kind)
      .slice(0, MOST_INSTANCES)
      .forEach(([name, router]) => say(kind, name, readStreamRouter(kind, router, context)))
  }
  result.offers.push(...context.offers.values())
  result.network = container.labels['traefik.docker.network']
  result.warnings.push(...leftOut.warnings('traefik'))
  return result
}

/** Any of its labels asks; only `traefik.enable=true` does where that is needed. */
export const traefik: Dialect = {
  asks: ({ labels }, { traefikExposed }) => {
    const enable = labels['traefik.enable']?.trim().toLowerCase()
    const isNamed = Object.keys(labels).some((label) => /^traefik\.(http|tcp|udp)\./i.test(label))
    return enable === 'true' || (enable === undefined && traefikExposed && isNamed)
  },
  read,
}
