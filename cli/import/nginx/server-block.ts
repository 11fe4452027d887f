/** nginx's `server` blocks → routes of Sluice. */
import { isHostPattern } from '../../../contract/guard/names.js'
import { guardRoute } from '../../../contract/record/route.js'
import type { Directive } from '../../conf-check/parse-conf.js'
import { readLocation } from './location-block.js'
import { reasonFor } from './reasons.js'
import type { Taken } from './taken.js'
import type { Targets } from './targets.js'

const READ_HERE = /^(listen|server_name|location|proxy_set_header|proxy_buffering)$/
const READ_ABOVE = /^(proxy_read_timeout|client_max_body_size|proxy_http_version)$/

function named(block: Directive, name: string): Directive[] {
  return (block.block ?? []).filter((each) => each.name === name)
}

function listens(server: Directive): Array<{ port: string; isTls: boolean; isDefault: boolean }> {
  const given = named(server, 'listen')
  return (given.length === 0 ? [['80']] : given.map(({ args }) => args)).map(
    ([at = '', ...more]) => ({
      port: /(?:^|:)(\d+)$/.exec(at)?.[1] ?? '80',
      isTls: more.includes('ssl'),
      isDefault: more.includes('default_server') || more.includes('default'),
    }),
  )
}

/** For each port the server that answers for hosts that none has. */
export function findDefaults(servers: Directive[]): Set<Directive> {
  const defaults = new Map<string, Directive>()
  for (const isSaid of [true, false]) {
    for (const server of servers) {
      for (const { port, isDefault } of listens(server)) {
        if (isDefault === isSaid && !defaults.has(port)) {
          defaults.set(port, server)
        }
      }
    }
  }
  return new Set(defaults.values())
}

/** The ports as settings, where one port is all there is. */
export function notePorts(servers: Directive[], taken: Taken): void {
  const all = servers.flatMap((server) => listens(server))
  for (const [isTls, variable] of [
    [false, 'SLUICE_HTTP_PORT'],
    [true, 'SLUICE_HTTPS_PORT'],
  ] as const) {
    const ports = [...new Set(all.filter((each) => each.isTls === isTls).map(({ port }) => port))]
    if (ports[0] !== undefined) {
      taken.settings.set(variable, ports[0])
    }
    const other = servers.find((server) =>
      listens(server).some((each) => each.isTls === isTls && each.port !== ports[0]),
    )
    if (other !== undefined) {
      taken.differ(other, `Sluice has one ${variable}: all routes are there, at ${ports[0] ?? ''}`)
    }
  }
}

function hostsOf(server: Directive, isDefault: boolean, taken: Taken): string[] {
  const hosts = isDefault ? ['*'] : []
  for (const directive of named(server, 'server_name')) {
    for (const name of directive.args.map((each) => each.toLowerCase())) {
      const forms = name.startsWith('.') ? [name.slice(1), `*${name}`] : [name]
      if (name === '' || name === '_') {
        // Names that no request has.
      } else if (forms.every(isHostPattern) && name !== '*') {
        hosts.push(...forms)
      } else {
        taken.leave(directive, `${name}: hosts are names, with * at one end at most`)
      }
    }
  }
  return [...new Set(hosts)]
}

/** Routes have one place for each host and path. */
export class Routes {
  readonly #taken: Taken
  /** Host and path → what serves them, and where that was said. */
  readonly #claims = new Map<string, { text: string; at: string }>()

  constructor(taken: Taken) {
    this.#taken = taken
  }

  add(location: Directive, hosts: string[], fields: Record<string, unknown>): void {
    const text = JSON.stringify(fields)
    const path = String(fields['pathPrefix'])
    const free = hosts.filter((host) => {
      const claim = this.#claims.get(`${host} ${path}`)
      if (claim !== undefined && claim.text !== text) {
        const why = `${host}${path} is what ${claim.at} says: the first one is taken`
        this.#taken.leave(location, why)
      }
      return claim === undefined
    })
    if (free.length === 0) {
      return
    }
    const guarded = guardRoute({ hosts: free, ...fields })
    if (!guarded.ok) {
      this.#taken.leave(location, `not taken: ${guarded.field} ${guarded.message}`)
      return
    }
    free.forEach((host) => this.#claims.set(`${host} ${path}`, { text, at: location.at }))
    this.#taken.routes.set(this.#idFor(free, path), { hosts: free, ...fields })
  }

  #idFor(hosts: string[], path: string): string {
    const named = hosts.find((host) => host !== '*') ?? 'any-host'
    const plain = `${named}${path}`
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-/, '')
      .slice(0, 56)
      .replace(/-$/, '')
    let id = plain
    for (let n = 2; this.#taken.routes.has(id); n++) {
      id = `${plain}-${n}`
    }
    return id
  }
}

interface Place {
  routes: Routes
  targets: Targets
  taken: Taken
}

/** `http`: the block around. */
export function readServer(
  server: Directive,
  http: Directive[],
  isDefault: boolean,
  place: Place,
): void {
  const { taken } = place
  const block = server.block ?? []
  const answer = block.find(({ name }) => name === 'return')
  if (answer !== undefined) {
    taken.leave(server, `it answers by itself (${answer.at}): ${reasonFor('return')}`)
    return
  }
  const hosts = hostsOf(server, isDefault, taken)
  for (const each of block) {
    if (!READ_HERE.test(each.name) && !READ_ABOVE.test(each.name)) {
      taken.leave(each, reasonFor(each.name))
    }
  }
  const visit = (levels: Directive[][]) => {
    for (const location of (levels.at(-1) ?? []).filter(({ name }) => name === 'location')) {
      const inner = [...levels, location.block ?? []]
      const fields = readLocation(location, inner, place.targets, taken)
      if (fields !== undefined && hosts.length > 0) {
        place.routes.add(location, hosts, fields)
      }
      visit(inner)
    }
  }
  visit([http, block])
}
