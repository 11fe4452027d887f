/** The table of stream{}: routes of connections, and no upstream but those that they lead to. */
import { isSniRoute } from '../../contract/record/stream-route.js'
import { UNTUNED, tuningName } from '../../contract/record/tuning.js'
import { SNI_PREFIX } from '../../contract/table/mark.js'
import type { Seats } from '../pool/seats.js'
import type { Logger } from '../../runtime/logger.js'
import type { GatewayTraits } from './compiled-upstream.js'
import { Compiler } from './compiler.js'
import type { ConditionsOf } from './upstream-cache.js'
import type {
  Desired,
  DesiredRoute,
  DesiredStreamRoute,
  DesiredUpstream,
} from '../state/desired.js'
import { SeatedUnits } from './seated-units.js'
import type { TableSource } from './table-source.js'

export interface StreamTableOptions {
  traits: GatewayTraits
  log: Logger
  desired(): Desired
  conditionsOf: ConditionsOf
  ready(): boolean
  seats: Seats
}

/** Never joined to an upstream's name: no upstream answers at a port by itself. */
export const NO_DOMAINS: readonly string[] = []
const NO_POOL: ReadonlySet<string> = new Set()
/** TLS is passed through here, and never ended. */
const NO_CERTIFICATES: Desired['certificates'] = new Map()
/** Here they are routes like others. */
const NO_STREAM_ROUTES: Desired['streamRoutes'] = new Map()

/**
 * `tcp*9100`, `tls*app.example.com`, `9100*app.example.com`: what stands in place of a host. None
 * of them can be a host.
 */
export function claimsOf(record: DesiredStreamRoute['record']): string[] {
  if (!isSniRoute(record)) {
    return [`${record.protocol}*${record.port}`]
  }
  const before = record.port === undefined ? SNI_PREFIX : `${record.port}*`
  return record.sni.map((name) => before + name)
}

/** A route of connections as one of requests, whose hosts are its port or its names. */
function asHost({ id, record, revision }: DesiredStreamRoute, more: string[]): DesiredRoute {
  const { upstream, split } = record
  const target = split === undefined ? { upstream: upstream ?? '' } : { split }
  const hosts = [...claimsOf(record), ...more]
  const tuning = tuningName(record)
  return {
    ...{ id, revision, record: { hosts, pathPrefix: '/', ...target } },
    ...(tuning !== UNTUNED && { tuning }),
  }
}

/**
 * All of them as routes of requests. The first route of a port's names also says that the port has
 * some.
 */
export function asRoutes(routes: Iterable<DesiredStreamRoute>): ReadonlyMap<string, DesiredRoute> {
  const named = new Set<number>()
  const hosts = new Map<string, DesiredRoute>()
  for (const route of [...routes].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const port = isSniRoute(route.record) ? route.record.port : undefined
    const isFirst = port !== undefined && !named.has(port)
    hosts.set(route.id, asHost(route, isFirst ? [`${port}*`] : []))
    if (port !== undefined) {
      named.add(port)
    }
  }
  return hosts
}

function upstreamsOf({
  upstream,
  split,
}: Pick<DesiredRoute['record'], 'upstream' | 'split'>): string[] {
  return split === undefined ? [upstream ?? ''] : split.map((arm) => arm.upstream)
}

/** Those of the upstreams that routes of connections, as {@link asRoutes} has them, lead to. */
export function ledTo(
  routes: ReadonlyMap<string, DesiredRoute>,
  upstreams: Desired['upstreams'],
): Map<string, DesiredUpstream> {
  const found = new Map<string, DesiredUpstream>()
  for (const name of [...routes.values()].flatMap(({ record }) => upstreamsOf(record))) {
    const upstream = upstreams.get(name)
    if (upstream !== undefined) {
      found.set(name, upstream)
    }
  }
  return found
}

/** Those that TCP connections are led to, and not UDP alone. */
function tcpUpstreams(routes: Iterable<DesiredStreamRoute>): ReadonlySet<string> {
  const tcp = [...routes].filter(({ record }) => isSniRoute(record) || record.protocol === 'tcp')
  return new Set(tcp.flatMap(({ record }) => upstreamsOf(record)))
}

export class StreamTable implements TableSource {
  readonly #options: StreamTableOptions
  readonly #compiler: Compiler
  readonly #seated: SeatedUnits
  #revision = 0
  #streamRoutes: Desired['streamRoutes'] | undefined
  #routes: ReadonlyMap<string, DesiredRoute> = new Map()
  #tcp: ReadonlySet<string> = new Set()

  constructor(options: StreamTableOptions) {
    this.#options = options
    this.#compiler = new Compiler(NO_DOMAINS, options.log, options.traits)
    this.#seated = new SeatedUnits(options.seats)
  }

  get isReady(): boolean {
    return this.#options.ready()
  }

  get revision(): number {
    return this.#revision
  }

  get units(): Compiler['units'] {
    return this.#seated.units
  }

  update(): Set<string> {
    const { conditionsOf } = this.#options
    const now = this.#options.desired()
    this.#revision = now.revision
    const changed = this.#compiler.update(this.#concerned(now), NO_POOL, conditionsOf)
    return this.#seated.update(this.#compiler.units, changed, (name) => this.#tcp.has(name))
  }

  #concerned({ revision, upstreams, streamRoutes }: Desired): Desired {
    if (streamRoutes !== this.#streamRoutes) {
      this.#streamRoutes = streamRoutes
      this.#routes = asRoutes(streamRoutes.values())
      this.#tcp = tcpUpstreams(streamRoutes.values())
    }
    return {
      revision,
      upstreams: ledTo(this.#routes, upstreams),
      routes: this.#routes,
      streamRoutes: NO_STREAM_ROUTES,
      certificates: NO_CERTIFICATES,
    }
  }
}
