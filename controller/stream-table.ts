/** The table of stream{}: routes of connections, and no upstream but those that they lead to. */
import { isSniRoute } from '../contract/stream-route.js'
import { PASSED_NAME } from '../contract/zones.js'
import type { Logger } from '../runtime/logger.js'
import type { Place } from './compile.js'
import { Compiler } from './compiler.js'
import type { ConditionsOf } from './upstream-units.js'
import type { Desired, DesiredRoute, DesiredStreamRoute, DesiredUpstream } from './desired.js'
import type { Source } from './source.js'

export interface StreamTableOptions {
  place: Place
  log: Logger
  desired(): Desired
  conditionsOf: ConditionsOf
  ready(): boolean
}

/** Never joined to an upstream's name: no upstream answers at a port by itself. */
const NO_DOMAIN = ''
const NO_POOL: ReadonlySet<string> = new Set()
/** TLS is passed through here, and never ended. */
const NO_CERTIFICATES: Desired['certificates'] = new Map()

/** `tcp*9100`, `tls*app.example.com`: what stands where a host does, and can be none. */
export function claimsOf(record: DesiredStreamRoute['record']): string[] {
  return isSniRoute(record)
    ? record.sni.map((name) => PASSED_NAME + name)
    : [`${record.protocol}*${record.port}`]
}

/** A route of connections as one of requests, whose hosts are its port or its names. */
function asHost({ id, record, revision }: DesiredStreamRoute): DesiredRoute {
  const { upstream, split } = record
  const target = split === undefined ? { upstream: upstream ?? '' } : { split }
  return { id, revision, record: { hosts: claimsOf(record), pathPrefix: '/', ...target } }
}

function upstreamsOf({ upstream, split }: DesiredRoute['record']): string[] {
  return split === undefined ? [upstream ?? ''] : split.map((arm) => arm.upstream)
}

export class StreamTable implements Source {
  readonly #options: StreamTableOptions
  readonly #compiler: Compiler
  #revision = 0
  #streamRoutes: Desired['streamRoutes'] | undefined
  #routes: ReadonlyMap<string, DesiredRoute> = new Map()

  constructor(options: StreamTableOptions) {
    this.#options = options
    this.#compiler = new Compiler(NO_DOMAIN, options.log, options.place)
  }

  ready(): boolean {
    return this.#options.ready()
  }

  revision(): number {
    return this.#revision
  }

  units(): Compiler['units'] {
    return this.#compiler.units
  }

  update(): Set<string> {
    const { conditionsOf } = this.#options
    const now = this.#options.desired()
    this.#revision = now.revision
    return this.#compiler.update(this.#concerned(now), NO_POOL, conditionsOf)
  }

  #concerned({ revision, upstreams, streamRoutes }: Desired): Desired {
    if (streamRoutes !== this.#streamRoutes) {
      this.#streamRoutes = streamRoutes
      this.#routes = new Map([...streamRoutes.values()].map((route) => [route.id, asHost(route)]))
    }
    const named = new Map<string, DesiredUpstream>()
    for (const name of [...this.#routes.values()].flatMap(({ record }) => upstreamsOf(record))) {
      const upstream = upstreams.get(name)
      if (upstream !== undefined) {
        named.set(name, upstream)
      }
    }
    return {
      revision,
      upstreams: named,
      routes: this.#routes,
      streamRoutes,
      certificates: NO_CERTIFICATES,
    }
  }
}
