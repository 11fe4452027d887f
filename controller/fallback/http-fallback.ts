/**
 * Desired state → plain nginx configuration of what is up. Pure.
 *
 * The fallback beside a table is `<home>/fallback/sluice-upstreams.conf`, which `http{}` includes:
 *
 *     upstream sluice_f_web { server 10.0.0.7:80; keepalive 32; }
 *     map $sluice_wanted $sluice_fallback { default ''; web sluice_f_web; }
 *     server {
 *         listen unix:<home>/hop/fallback.sock;
 *         server_name app.example.com;
 *         include <home>/sluice/hop-headers.conf;
 *         location / { proxy_pass http://sluice_f_web; }
 *     }
 *
 * with one more server, `default_server`, that answers 404. The map must be there even if it is
 * empty: without `$sluice_fallback` the hop takes it that there is no fallback.
 */
import { ACME_PREFIX, isWithin } from '../../contract/table/host-record.js'
import { ACCEL_HEADERS } from '../../contract/guard/header-names.js'
import { isPathPrefix } from '../../contract/guard/names.js'
import type { ActionRecord } from '../../contract/table/action-record.js'
import { SluiceError } from '../../runtime/errors.js'
import { ConfWriter, plain, quotedWord } from './conf-writer.js'
import type { Word } from './conf-writer.js'
import type { Desired } from '../state/desired.js'
import { ActionConf, RETRY_AFTER, isPlainAction, redirectMaps } from './action-fallback.js'
import { clientMaps, frontHeaders } from './client-maps.js'
import type { ClientTrust } from './client-maps.js'
import { blockName, collectBlocks, writeBlock } from './upstream-blocks.js'
import type { Server } from './upstream-blocks.js'
import { Texts } from './texts.js'
import { byServerNameOrder, hostKey, isWild, nameKey, serverName } from './words.js'
import { planHosts } from '../table/host-planner.js'
import type { HostPlan, HostRoute, HostsPlan } from '../table/host-plan.js'

/** Where the servers listen and what they pass on. */
export type ConfPlacement =
  /** Behind the hop of a gateway: `headersPath` is its `hop-headers.conf`. */
  | { kind: 'hop'; socketPath: string; headersPath: string }
  /** In front, for an nginx without njs. `listen`: `80`, `127.0.0.1:80`, `unix:/…`. */
  | ({ kind: 'front'; listen: string[]; maxBodyBytes: number } & ClientTrust)

/** A host whose upstream has nobody that is up. */
const NOBODY = '-'

/** What a client would change its connection to. Only one of HTTP/1.1 can be. */
const OFFERED_UPGRADE = '$sluice_http11_upgrade'
/** A status that no page of a route has. */
function freeStatus({ actions }: HostsPlan): number {
  const taken = new Set<number>()
  for (const { action } of actions.values()) {
    const { maintenance, pages = {} } = action
    taken.add(maintenance?.status ?? 0)
    Object.entries(pages).forEach(([of, { status }]) => taken.add(Number(of)).add(status))
  }
  const teapots = Array.from({ length: 25 }, (_, i) => 418 + i)
  return teapots.find((status) => !taken.has(status)) ?? 418
}

/** What a route does stands in locations of its own host. */
function isPlain({ routes: [only, ...more] }: HostPlan): boolean {
  return only?.prefix === '/' && more.length === 0 && !only.target.startsWith('&')
}

/** Any host's routes for ACME challenges, which come before a host's own. */
function challengesOf({ hosts }: HostsPlan): HostRoute[] {
  return hosts.get('*')?.routes.filter(({ prefix }) => isWithin(prefix, ACME_PREFIX)) ?? []
}

class FallbackConf {
  readonly #out = new ConfWriter()
  readonly #place: ConfPlacement
  readonly #blocks: Map<string, Server[]>
  readonly #plan: HostsPlan
  readonly #texts = new Texts()
  readonly #action: ActionConf
  readonly #challenges: HostRoute[]
  readonly #isTrusting: boolean
  readonly #giveBack: number

  constructor(place: ConfPlacement, blocks: Map<string, Server[]>, plan: HostsPlan) {
    this.#place = place
    this.#blocks = blocks
    this.#plan = plan
    this.#giveBack = freeStatus(plan)
    const isFront = place.kind === 'front'
    this.#isTrusting = isFront && (place.trustedProxies ?? []).length > 0
    const headers = isFront ? frontHeaders(this.#isTrusting) : undefined
    this.#action = new ActionConf(this.#out, this.#texts, headers)
    this.#challenges = challengesOf(plan)
  }

  write(): string {
    const plan = this.#plan
    const keepalive = (): void => this.#out.directive('keepalive', plain('32'))
    this.#blocks.forEach((servers, unit) => writeBlock(this.#out, unit, servers, keepalive))
    if (this.#place.kind === 'hop') {
      this.#wanted()
    } else {
      this.#connectionMap()
      clientMaps(this.#out, this.#place)
    }
    const hosts = [...plan.hosts.values()].sort(byServerNameOrder)
    this.#hostMap(hosts.filter((host) => isPlain(host) || isWild(host.host)))
    this.#defaultServer()
    hosts.filter((host) => !isPlain(host)).forEach((host) => this.#server(host))
    if (plan.actions.size > 0) {
      redirectMaps(this.#out, this.#place.kind === 'hop', this.#isTrusting)
      // The hop is always asked over HTTP/1.1, by a front that looked.
      const isHop = this.#place.kind === 'hop'
      this.#texts.write(this.#out, isHop ? '$http_upgrade' : OFFERED_UPGRADE)
    }
    return this.#out.text()
  }

  /** For the hop: which of the blocks serves an upstream that it was asked for by name. */
  #wanted(): void {
    this.#out.block('map', [plain('$sluice_wanted'), plain('$sluice_fallback')], () => {
      this.#out.entry(plain('default'), quotedWord(''))
      for (const unit of this.#blocks.keys()) {
        if (unit.startsWith(':')) {
          this.#out.entry(nameKey(unit.slice(1)), plain(blockName(unit)))
        }
      }
    })
  }

  /** Of what a client may change its connection to, WebSocket alone is passed on. */
  #connectionMap(): void {
    const websocket = plain('websocket')
    this.#out.block('map', [plain('$server_protocol'), plain(OFFERED_UPGRADE)], () => {
      this.#out.entry(plain('default'), quotedWord(''))
      this.#out.entry(plain('HTTP/1.1'), plain('$http_upgrade'))
    })
    for (const [name, value] of [
      ['$sluice_upgrade', websocket],
      ['$sluice_connection', plain('upgrade')],
    ] as const) {
      this.#out.block('map', [plain(OFFERED_UPGRADE), plain(name)], () => {
        this.#out.entry(plain('default'), quotedWord(''))
        this.#out.entry(websocket, value)
      })
    }
  }

  /**
   * One server for all plain hosts: a server for each of ten thousand would cost nginx hundreds of
   * megabytes. Wildcards that have paths are in the map for their place among the wildcards, and
   * lead to nothing there.
   */
  #hostMap(hosts: HostPlan[]): void {
    this.#out.block('map', [plain('$host'), plain('$sluice_fallback_host')], () => {
      this.#out.entry(plain('default'), quotedWord(''))
      for (const plan of hosts) {
        const target = isPlain(plan) ? plan.routes[0]?.target : undefined
        const value = target === undefined ? quotedWord('') : plain(this.#target(target))
        this.#out.entry(hostKey(plan.host), value)
      }
    })
  }

  #target(unit: string): string {
    return this.#blocks.has(unit) ? blockName(unit) : NOBODY
  }

  #defaultServer(): void {
    this.#out.block('server', [], () => {
      this.#listen(true)
      this.#routes(this.#challenges, false)
      this.#out.block('location', [plain('/')], () => {
        this.#out.block('if', [{ text: '($sluice_fallback_host = "")' }], () => this.#return(404))
        this.#passPlain()
      })
    })
  }

  #passPlain(): void {
    this.#out.block('if', [{ text: `($sluice_fallback_host = ${NOBODY})` }], () =>
      this.#return(503),
    )
    this.#out.directive('proxy_pass', plain('http://$sluice_fallback_host'))
  }

  /**
   * nginx prefers a wildcard `server_name` to the default server, even if that has the very host.
   */
  #givePlainBack(): void {
    const page = { text: '@sluice_plain' }
    this.#out.directive('error_page', plain(String(this.#giveBack)), plain('='), page)
    this.#out.block('if', [{ text: '($sluice_fallback_host != "")' }], () =>
      this.#return(this.#giveBack),
    )
  }

  /** A host with paths, or whose route does more than to choose. */
  #server({ host, routes }: HostPlan): void {
    this.#out.block('server', [], () => {
      this.#listen(false)
      this.#out.directive('server_name', serverName(host))
      if (routes.some(({ prefix }) => prefix !== '/')) {
        this.#out.block('if', [{ text: '($sluice_path_leaves)' }], () => this.#return(400))
      }
      const isOwn = ({ prefix }: HostRoute) =>
        !this.#challenges.some((challenge) => isWithin(prefix, challenge.prefix))
      const own = routes.filter(isOwn)
      this.#routes(this.#challenges, false)
      this.#routes(own, isWild(host))
      if (isWild(host)) {
        this.#out.block('location', [{ text: '@sluice_plain' }], () => this.#passPlain())
      }
      if (!own.some((route) => route.prefix === '/')) {
        this.#out.block('location', [plain('/')], () => this.#notFound(isWild(host)))
      }
    })
  }

  #notFound(mayGiveBack: boolean): void {
    if (mayGiveBack) {
      this.#givePlainBack()
    }
    this.#return(404)
  }

  /** Their locations. A prefix fits whole segments: `/api` and `/api/x`, not `/apix`. */
  #routes(routes: HostRoute[], mayGiveBack: boolean): void {
    for (const { prefix, target } of routes) {
      if (!isPathPrefix(prefix)) {
        throw new SluiceError('internal', `not a path: ${JSON.stringify(prefix)}`)
      }
      const location = (isExact: boolean, words: Word[]) =>
        this.#out.block('location', words, () => {
          if (mayGiveBack) {
            this.#givePlainBack()
          }
          this.#serve(target, isExact)
        })
      if (prefix !== '/') {
        location(true, [plain('='), quotedWord(prefix)])
      }
      location(false, [quotedWord(prefix === '/' ? '/' : `${prefix}/`)])
    }
    for (const unit of new Set(routes.map(({ target }) => target))) {
      const record = this.#acting(unit)
      if (record !== undefined) {
        this.#action.pages(unit, record.action)
      }
    }
  }

  #acting(unit: string): ActionRecord | undefined {
    const record = this.#plan.actions.get(unit)
    return record !== undefined && isPlainAction(record.action) ? record : undefined
  }

  #serve(target: string, isExact: boolean): void {
    const record = this.#acting(target)
    const unit = record?.target ?? target
    const block = this.#blocks.has(unit) ? blockName(unit) : undefined
    if (record !== undefined) {
      this.#action.write(target, { record, block, isExact })
    } else if (block === undefined) {
      this.#return(503)
    } else {
      this.#out.directive('proxy_pass', plain(`http://${block}`))
    }
  }

  #return(status: number): void {
    if (status === 503) {
      this.#out.directive('add_header', plain('Retry-After'), plain(RETRY_AFTER), plain('always'))
    }
    this.#out.directive('return', plain(String(status)))
  }

  #listen(isDefault: boolean): void {
    const place = this.#place
    const more = isDefault ? [plain('default_server')] : []
    if (place.kind === 'hop') {
      this.#out.directive('listen', quotedWord(`unix:${place.socketPath}`), ...more)
      this.#out.directive('include', quotedWord(place.headersPath))
      return
    }
    place.listen.forEach((listen) => this.#out.directive('listen', quotedWord(listen), ...more))
    this.#out.directive('proxy_http_version', plain('1.1'))
    this.#out.directive('client_max_body_size', plain(String(place.maxBodyBytes)))
    // An instance steers nothing, as in a gateway.
    this.#out.directive('proxy_ignore_headers', ...ACCEL_HEADERS.map(plain))
    for (const [header, value] of frontHeaders(this.#isTrusting)) {
      this.#out.directive('proxy_set_header', plain(header), value)
    }
  }
}

/**
 * Plain configuration cannot test conditions. So routes that have some are left out, and requests
 * go by the others.
 */
function withoutConditions(plan: HostsPlan): HostsPlan {
  const hosts = [...plan.hosts].map(([name, { host, routes, fast }]): [string, HostPlan] => {
    const kept = routes.filter(({ conditions }) => conditions === '')
    return [name, { host, routes: kept, fast }]
  })
  return { ...plan, hosts: new Map(hosts) }
}

/** The file's text, without its header. Throws on a bad name, which no guard lets in. */
export function renderFallback(
  desired: Desired,
  domains: readonly string[],
  place: ConfPlacement,
): string {
  const planned = planHosts(desired.routes.values(), desired.upstreams.keys(), domains)
  const plan = withoutConditions(planned)
  return new FallbackConf(place, collectBlocks(desired, plan), plan).write()
}
