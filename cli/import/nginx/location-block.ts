/** nginx's `location` blocks with a plain `proxy_pass` → routes of Sluice. */
import { READ_MS } from '../../../contract/record/route-limits.js'
import type { Directive } from '../../conf-check/parse-conf.js'
import { GATEKEEPERS, reasonFor } from './reasons.js'
import type { Taken } from './taken.js'
import type { Target, Targets } from './targets.js'
import { parseTime } from './upstream-block.js'

type Fields = Record<string, unknown>

/** What Sluice sends or does by itself. */
const OWN_HEADERS = /^(x-real-ip|x-forwarded-(for|proto|host|port)|connection|upgrade)$/
const OWN = /^(proxy_pass|proxy_http_version|location)$/
/** Of these the nearest level counts. */
const ACTS = /^(proxy_set_header|proxy_read_timeout|proxy_buffering|client_max_body_size)$/
const RULES = /^(if|rewrite|return|set)$/

/** What holds where `levels`, outermost first, end: of each name those of the nearest level. */
function inForce(levels: Directive[][], name: RegExp): Directive[] {
  const names = new Set(levels.flat().flatMap((each) => (name.test(each.name) ? [each.name] : [])))
  return [...names].flatMap((one) => {
    const level = levels.findLast((block) => block.some((each) => each.name === one)) ?? []
    return level.filter((each) => each.name === one)
  })
}

/** Why a location is not taken, by its own words and what holds in it. Undefined: it can be. */
function refuse(location: Directive, levels: Directive[][]): string | undefined {
  const rule = (location.block ?? []).find(({ name }) => RULES.test(name))
  const gate = inForce(levels, GATEKEEPERS).find(({ args }) => args[0] !== 'off')
  if (gate !== undefined) {
    return `${gate.at}: "${[gate.name, ...gate.args].join(' ')}": ${reasonFor(gate.name)}`
  }
  return rule === undefined ? undefined : `"${rule.name}" in it: ${reasonFor(rule.name)}`
}

/** `/api/` with `proxy_pass http://web/v2/`. Undefined: no route says it. */
function rewriteOf(path: string, { path: other }: Target): Fields | undefined {
  if (other === undefined || other === path) {
    return {}
  }
  if (other.endsWith('/') !== path.endsWith('/')) {
    return undefined
  }
  const replacePrefix = other.replace(/(.)\/$/, '$1')
  return { rewrite: replacePrefix === '/' ? { stripPrefix: true } : { replacePrefix } }
}

class RouteReader {
  readonly fields: Fields = {}
  readonly #taken: Taken
  readonly #target: Target
  #isHostSet = false

  constructor(taken: Taken, target: Target) {
    this.#taken = taken
    this.#target = target
  }

  read(directive: Directive): void {
    const [first = ''] = directive.args
    if (directive.name === 'proxy_set_header') {
      this.#readHeader(directive)
    } else if (directive.name === 'proxy_buffering') {
      this.fields.buffering = first === 'on'
    } else if (directive.name === 'client_max_body_size') {
      // nginx's own limit stands before a route's, so there is one for all.
      const why = 'it is one setting for all routes: SLUICE_MAX_BODY'
      this.#taken.leave(directive, why)
    } else {
      const readMs = parseTime(first)
      if (readMs !== undefined && READ_MS.includes(readMs)) {
        this.fields.timeouts = { readMs }
      } else {
        this.#taken.leave(directive, `a route has one of ${READ_MS.join(', ')} milliseconds`)
      }
    }
  }

  /** nginx sends the name in `proxy_pass` where no Host is set. */
  finish(): Fields {
    if (!this.#isHostSet) {
      this.fields.upstreamHost = this.#target.authority
    }
    return this.fields
  }

  #readHeader(directive: Directive): void {
    const [name = '', value = ''] = directive.args
    const lower = name.toLowerCase()
    if (lower === 'host') {
      this.#isHostSet = value !== '$proxy_host'
      if (!value.includes('$')) {
        this.fields.upstreamHost = value.toLowerCase()
      } else if (!/^\$(host|http_host|proxy_host)$/.test(value)) {
        this.#taken.differ(directive, 'instances get the Host that the client asked for')
      }
    } else if (value.includes('$') && !OWN_HEADERS.test(lower)) {
      this.#taken.leave(directive, 'a header of a route has a fixed value')
    } else if (!OWN_HEADERS.test(lower)) {
      const edits = (this.fields.requestHeaders ?? {}) as { set?: Fields; remove?: string[] }
      this.fields.requestHeaders =
        value === ''
          ? { ...edits, remove: [...(edits.remove ?? []), name] }
          : { ...edits, set: { ...edits.set, [name]: value } }
    }
  }
}

function readActs(
  location: Directive,
  levels: Directive[][],
  target: Target,
  taken: Taken,
): Fields {
  const reader = new RouteReader(taken, target)
  inForce(levels, ACTS).forEach((each) => reader.read(each))
  for (const each of location.block ?? []) {
    if (!OWN.test(each.name) && !ACTS.test(each.name)) {
      taken.leave(each, reasonFor(each.name))
    }
  }
  return reader.finish()
}

/** The path of a location, and its fields as a route's; undefined where it is left alone. */
export function readLocation(
  location: Directive,
  levels: Directive[][],
  targets: Targets,
  taken: Taken,
): Fields | undefined {
  const [path = '', second] = location.args[0] === '^~' ? location.args.slice(1) : location.args
  const pass = (location.block ?? []).find(({ name }) => name === 'proxy_pass')
  if (second !== undefined || !path.startsWith('/')) {
    taken.leave(
      location,
      'paths of routes are whole prefixes; a shorter path serves it here, or none',
    )
    return undefined
  }
  if (pass === undefined) {
    const first = (location.block ?? []).find(({ name }) => name !== 'location')
    const why = first === undefined ? 'it has no proxy_pass' : reasonFor(first.name)
    taken.leave(location, `${why}; a shorter path serves it here, or none`)
    return undefined
  }
  const refused = refuse(location, levels)
  const target = refused ?? targets.find(pass.args[0] ?? '')
  const rewrite = typeof target === 'string' ? undefined : rewriteOf(path, target)
  if (typeof target === 'string' || rewrite === undefined) {
    const what = typeof target === 'string' ? target : 'what it makes of a path, no rewrite does'
    taken.leave(location, `not taken: ${what}`)
    return undefined
  }
  const acts = readActs(location, levels, target, taken)
  noteSlash(location, path, taken)
  const pathPrefix = path.replace(/(.)\/$/, '$1')
  return { pathPrefix, upstream: target.upstream, ...rewrite, ...acts }
}

function noteSlash(location: Directive, path: string, taken: Taken): void {
  const bare = path.slice(0, -1)
  if (path !== '/' && path.endsWith('/')) {
    taken.differ(location, `${bare} goes there, too; nginx leads it to ${path} by a redirect`)
  } else if (path !== '/') {
    taken.differ(location, `${path}/… goes there, but not ${path}x, which nginx takes for it`)
  }
}
