/** What a route does besides choosing an upstream. Its fields stand beside the route's others. */
import { brokenRule, guardShape, right, fieldIn, wrong } from '../guard/guarded.js'
import type { Guarded, FieldRule, Fields } from '../guard/guarded.js'
import { NAME_RULE, isHost, isName, isPathPrefix, isWhole } from '../guard/names.js'
import { guardRequestHeaders, guardResponseHeaders } from './route-headers.js'
import type { HeaderEdits } from './header-edits.js'
import { guardBuffering, guardMaxBodyBytes, guardTimeouts } from './route-limits.js'
import type { Timeouts } from './route-limits.js'
import { printAction } from './print-action.js'
import { guardUpgrade } from './route-upgrade.js'
import { guardErrorPages, guardMaintenance } from './route-page.js'
import type { ErrorPages, Page } from './route-page.js'

/** Exactly one of the two. What stands behind the prefix, and the query, stay byte for byte. */
export interface Rewrite {
  stripPrefix?: true
  replacePrefix?: string
}

/**
 * What is left out stays as the client asked. `path` is the whole path; `replacePrefix` only the
 * route's own.
 */
export interface Redirect {
  scheme?: 'http' | 'https'
  host?: string
  port?: number
  path?: string
  replacePrefix?: string
  status: number
}

export interface RouteAction {
  rewrite?: Rewrite
  /** The Host that the upstream gets. */
  upstreamHost?: string
  redirect?: Redirect
  /** While it is there, it answers. */
  maintenance?: Page
  /** They replace what Sluice answers, and the upstream's answers only where a page says so. */
  pages?: ErrorPages
  requestHeaders?: HeaderEdits
  responseHeaders?: HeaderEdits
  timeouts?: Timeouts
  /** 0: none at all. */
  maxBodyBytes?: number
  /**
   * Whether answers are collected before they go to a slow client; left out: as the server in front
   * does.
   */
  buffering?: boolean
  mirror?: MirrorAction
  /** Protocols that a client may change to, in lower case; left out: WebSocket alone. */
  upgrade?: string[]
}

/** `percent` of the requests are sent to `upstream` as well. No client sees their answers. */
interface MirrorAction {
  upstream: string
  percent: number
}

/** A record that is longer than a table's value could not be written. */
const MOST_ACTION_BYTES = 30000
const REDIRECTS = [301, 302, 303, 307, 308]
const PATH = /^\/[A-Za-z0-9._~!$&'()*+,;=:@%/-]{0,1023}$/

/** `internal.example` or `internal.example:8080`. */
function isHostAndPort(value: unknown): boolean {
  const parts = typeof value === 'string' ? /^([^:]+)(?::(\d{1,5}))?$/.exec(value) : null
  return (
    parts !== null &&
    isHost(parts[1]) &&
    (parts[2] === undefined || isWhole(Number(parts[2]), 1, 65535))
  )
}

/** Absolute on this host: `//` at its beginning would lead to another one. */
function isPath(value: unknown): boolean {
  return typeof value === 'string' && PATH.test(value) && value.charAt(1) !== '/'
}

/** The fields of `value` if each fits its rule, else which does not. */
function guardFields(value: unknown, rules: FieldRule[], required: string[]): Guarded<Fields> {
  const shape = guardShape(
    value,
    rules.map((rule) => rule[0]),
  )
  if (!shape.ok) {
    return shape
  }
  const broken = brokenRule(shape.value, rules, required)
  return broken === undefined ? shape : wrong(broken[0], broken[2])
}

const REWRITE_RULES: FieldRule[] = [
  ['stripPrefix', (value) => value === true, 'must be true, or left out'],
  ['replacePrefix', isPathPrefix, 'must be / or a path such as /v2, without % or a trailing /'],
]

function guardRewrite(value: unknown): Guarded<unknown> {
  const fields = guardFields(value, REWRITE_RULES, [])
  if (!fields.ok) {
    return fields
  }
  return Object.keys(fields.value).length === 1
    ? fields
    : wrong('', 'must hold either stripPrefix or replacePrefix')
}

const REDIRECT_RULES: FieldRule[] = [
  ['scheme', (value) => value === 'http' || value === 'https', 'must be http or https'],
  ['host', isHost, 'must be a host name such as app.example.com'],
  ['port', (value) => isWhole(value, 1, 65535), 'must be a port'],
  ['path', isPath, 'must be a path such as /moved, without a query'],
  ['replacePrefix', isPathPrefix, 'must be / or a path such as /v2, without % or a trailing /'],
  [
    'status',
    (value) => REDIRECTS.indexOf(value as number) >= 0,
    'must be 301, 302, 303, 307 or 308',
  ],
]

function guardRedirect(value: unknown): Guarded<unknown> {
  const fields = guardFields(value, REDIRECT_RULES, [])
  if (!fields.ok) {
    return fields
  }
  const redirect = Object.assign({ status: 302 }, fields.value)
  if (Object.keys(redirect).length === 1) {
    return wrong('', 'must hold a scheme, host, port, path or replacePrefix to lead to')
  }
  return fields.value.path !== undefined && fields.value.replacePrefix !== undefined
    ? wrong('replacePrefix', 'and path exclude each other')
    : right(redirect)
}

function guardUpstreamHost(value: unknown): Guarded<unknown> {
  return isHostAndPort(value)
    ? right(value)
    : wrong('', 'must be a host name, with or without a port, such as internal.example:8080')
}

const MIRROR_RULES: FieldRule[] = [
  ['upstream', isName, NAME_RULE],
  ['percent', (value) => isWhole(value, 1, 100), 'must be a whole number from 1 to 100'],
]

function guardMirror(value: unknown): Guarded<unknown> {
  const fields = guardFields(value, MIRROR_RULES, ['upstream'])
  return fields.ok ? right(Object.assign({ percent: 100 }, fields.value)) : fields
}

const GUARDS: { [field: string]: (value: unknown) => Guarded<unknown> } = {
  rewrite: guardRewrite,
  upstreamHost: guardUpstreamHost,
  redirect: guardRedirect,
  maintenance: guardMaintenance,
  pages: guardErrorPages,
  requestHeaders: guardRequestHeaders,
  responseHeaders: guardResponseHeaders,
  timeouts: guardTimeouts,
  maxBodyBytes: guardMaxBodyBytes,
  buffering: guardBuffering,
  mirror: guardMirror,
  upgrade: guardUpgrade,
}

/** The fields of a route that act. */
export const ACTION_FIELDS = Object.keys(GUARDS)

/** Those of a route's fields that act; undefined when none does. Other fields are not looked at. */
export function guardAction(fields: Fields): Guarded<RouteAction | undefined> {
  const action: Fields = {}
  const given = ACTION_FIELDS.filter((field) => fields[field] !== undefined)
  for (let i = 0; i < given.length; i++) {
    const field = given[i] as string
    const guarded = (GUARDS[field] as (value: unknown) => Guarded<unknown>)(fields[field])
    if (!guarded.ok) {
      return wrong(fieldIn(field, guarded.field), guarded.message)
    }
    action[field] = guarded.value
  }
  if (given.length === 0) {
    return right(undefined)
  }
  return printAction(action).length > MOST_ACTION_BYTES
    ? wrong(
        given[given.length - 1] as string,
        'makes the route too long for the table: all that it does may take ' +
          MOST_ACTION_BYTES +
          ' bytes, where other characters than ASCII take six each',
      )
    : right(action as RouteAction)
}

/**
 * Whether a route that does this needs no upstream. One that has nothing but a page for 404 answers
 * 404.
 */
export function answersItself(action: RouteAction | undefined): boolean {
  return (
    action !== undefined &&
    (action.redirect !== undefined ||
      action.maintenance !== undefined ||
      (action.pages !== undefined && action.pages['404'] !== undefined))
  )
}

/** The action of a record that passed the guard; undefined when it only chooses. */
export function actionOf(record: object): RouteAction | undefined {
  const action: Fields = {}
  ACTION_FIELDS.forEach((field) => {
    const value = (record as Fields)[field]
    if (value !== undefined) {
      action[field] = value
    }
  })
  return Object.keys(action).length === 0 ? undefined : action
}
