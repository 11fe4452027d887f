/**
 * What a route does, as far as plain nginx configuration can do it. It makes no mirrors, and
 * replaces no error of the upstream's own.
 */
import type { Page } from '../../contract/record/route-page.js'
import type { Redirect, RouteAction } from '../../contract/record/route-action.js'
import type { ActionRecord } from '../../contract/table/action-record.js'
import { PEER_HEADER, PICK_HEADER } from '../../contract/servers.js'
import type { Header } from './client-maps.js'
import { literal, plain, quotedWord, verbatim } from './conf-writer.js'
import type { ConfWriter } from './conf-writer.js'
import type { Texts } from './texts.js'

/** Seconds, where nobody is up: somebody may be soon. The hop says the same. */
export const RETRY_AFTER = '2'

/** Those of `hop-headers.conf`: a location with headers of its own inherits none. */
const HOP_HEADERS: Header[] = [
  ['Host', plain('$sluice_host')],
  ['Upgrade', plain('$sluice_upgrade')],
  ['Connection', plain('$sluice_connection')],
  ['TE', plain('$http_te')],
  [PICK_HEADER, quotedWord('')],
]

/** What the client asked for: behind the front of a gateway headers say so. */
export function redirectMaps(out: ConfWriter, isHop: boolean, isTrusting: boolean): void {
  const own = isTrusting
    ? ['$sluice_client_proto', '$sluice_client_host']
    : ['$scheme', '$sluice_host']
  const [scheme = '', host = ''] = isHop
    ? ['$http_x_forwarded_proto', '$http_x_forwarded_host']
    : own
  out.block('map', [plain(scheme), plain('$sluice_f_scheme')], () => {
    out.entry(plain('default'), plain('http'))
    out.entry(plain('https'), plain('https'))
  })
  out.block('map', [{ text: `"$host ${host}"` }, plain('$sluice_f_host')], () => {
    out.entry(plain('default'), plain('$host'))
    // In nginx's own case, where it is the same.
    out.entry({ text: '"~*^([^ ]+) \\1(?::[0-9]+)?$"' }, plain('$host'))
    out.entry({ text: '"~ (?<sluice_f_asked>\\[[^]]*\\]|[^:]+)"' }, plain('$sluice_f_asked'))
  })
  const asked = { text: `"$sluice_f_scheme ${host}"` }
  out.block('map', [asked, plain('$sluice_f_port')], () => {
    out.entry(plain('default'), quotedWord(''))
    out.entry({ text: '"~^(http .*:80|https .*:443)$"' }, quotedWord(''))
    out.entry({ text: '"~(:[0-9]+)$"' }, plain('$1'))
  })
  for (const one of ['http', 'https']) {
    out.block('map', [plain('$sluice_f_scheme'), plain(`$sluice_f_port_${one}`)], () => {
      out.entry(plain('default'), quotedWord(''))
      out.entry(plain(one), plain('$sluice_f_port'))
    })
  }
}

function portOf({ scheme, port }: Redirect): string {
  if (port === undefined) {
    return scheme === undefined ? '$sluice_f_port' : `\${sluice_f_port_${scheme}}`
  }
  return port === (scheme === 'https' ? 443 : 80) ? '' : `:${port}`
}

/** Whether plain configuration can do it all. */
export function isPlainAction({ rewrite, redirect }: RouteAction): boolean {
  const usual = [80, 443]
  const isAmbiguous = redirect?.scheme === undefined && usual.includes(redirect?.port ?? 0)
  return !isAmbiguous && rewrite?.replacePrefix?.includes('$') !== true
}

export interface Location {
  record: ActionRecord
  /** The block that serves; undefined: nobody is up. */
  block: string | undefined
  /** Whether it is for the path that is the prefix, and not for those below it. */
  isExact: boolean
}

/** Names of the pages' locations: `@sluice_f_page_404_docs` */
function pageName(unit: string, status: string): string {
  return `@sluice_f_page_${status}_${unit.slice(1)}`
}

/** Nothing in it means more than itself. */
function asPattern(prefix: string): string {
  return prefix.replace(/[.$()*+]/g, '[$&]')
}

/** A prefix in the place of another one: what a location's own text becomes. */
function inPlace(prefix: string, isExact: boolean): string {
  return isExact || prefix === '/' ? prefix : `${prefix}/`
}

export class ActionConf {
  readonly #out: ConfWriter
  readonly #texts: Texts
  readonly #isHop: boolean
  readonly #headers: Header[]

  /** `front`: what a server in front tells upstreams; undefined behind the hop. */
  constructor(out: ConfWriter, texts: Texts, front: Header[] | undefined) {
    this.#out = out
    this.#texts = texts
    this.#isHop = front === undefined
    this.#headers = front ?? HOP_HEADERS
  }

  /** All that stands in a location of the route `&docs`. */
  write(unit: string, { record, block, isExact }: Location): void {
    const { action, prefix, target } = record
    this.#response(action)
    if (action.maintenance !== undefined) {
      this.#page(action.maintenance)
      return
    }
    for (const status of Object.keys(action.pages ?? {})) {
      this.#out.directive('error_page', plain(status), plain('='), { text: pageName(unit, status) })
    }
    if (action.redirect !== undefined) {
      this.#redirect(action.redirect, prefix, isExact)
    }
    if (block === undefined) {
      this.#return(target === '-' ? 404 : 503)
      return
    }
    this.#limits(action)
    this.#request(action)
    const { rewrite } = action
    const uri = rewrite === undefined ? '' : inPlace(rewrite.replacePrefix ?? '/', isExact)
    this.#out.directive('proxy_pass', quotedWord(`http://${block}${uri}`))
  }

  /** The locations that it leads to, once in each server. */
  pages(unit: string, { pages = {} }: RouteAction): void {
    for (const [status, page] of Object.entries(pages)) {
      this.#out.block('location', [{ text: pageName(unit, status) }], () => this.#page(page))
    }
  }

  /** Without types nginx would choose one by the path's last letters. */
  #page({ status, contentType, body }: Page): void {
    this.#out.block('types', [], () => undefined)
    this.#out.directive('default_type', verbatim(contentType))
    this.#out.directive('add_header', plain('Cache-Control'), plain('no-store'), plain('always'))
    this.#out.directive('return', plain(String(status)), this.#texts.page(body))
  }

  /** Not where the request is there already. */
  #redirect(redirect: Redirect, prefix: string, isExact: boolean): void {
    const { scheme = '${sluice_f_scheme}', host = '${sluice_f_host}', status } = redirect
    const path = this.#pathTo(redirect, prefix, isExact)
    const to = `"${scheme}://${host}${portOf(redirect)}${path}"`
    this.#out.directive('set', plain('$sluice_f_to'), { text: to })
    const here = '"$sluice_f_scheme://$sluice_f_host$sluice_f_port$request_uri"'
    this.#out.block('if', [{ text: `($sluice_f_to != ${here})` }], () =>
      this.#out.directive('return', plain(String(status)), plain('$sluice_f_to')),
    )
  }

  /**
   * The path as the client wrote it: what nginx decoded must not get into a header. So a prefix
   * that the client encoded is not found.
   */
  #pathTo({ path, replacePrefix }: Redirect, prefix: string, isExact: boolean): string {
    if (path !== undefined) {
      return `${inside(path)}$is_args$args`
    }
    if (replacePrefix === undefined) {
      return '$request_uri'
    }
    if (isExact) {
      return `${inside(replacePrefix)}$is_args$args`
    }
    const base = replacePrefix === '/' ? '' : inside(replacePrefix)
    if (prefix === '/') {
      return `${base}$request_uri`
    }
    // A capture with a name: what has a number nginx would escape once more.
    const pattern = `"^${asPattern(prefix)}(?<sluice_f_rest>/.*)$"`
    this.#out.block('if', [{ text: `($request_uri !~ ${pattern})` }], () => this.#return(404))
    return `${base}$sluice_f_rest`
  }

  #limits({ timeouts, maxBodyBytes, buffering }: RouteAction): void {
    if (timeouts !== undefined) {
      this.#out.directive('proxy_read_timeout', plain(`${timeouts.readMs}ms`))
    }
    if (maxBodyBytes === 0) {
      this.#out.block('if', [{ text: '($content_length ~ "[1-9]")' }], () => this.#return(413))
    }
    if (maxBodyBytes !== undefined) {
      // 0 is no limit to nginx.
      this.#out.directive('client_max_body_size', plain(String(Math.max(maxBodyBytes, 1))))
    }
    if (buffering !== undefined && !this.#isHop) {
      this.#out.directive('proxy_buffering', plain(buffering ? 'on' : 'off'))
    }
  }

  #request({ requestHeaders, upstreamHost, upgrade }: RouteAction): void {
    if (requestHeaders === undefined && upstreamHost === undefined && upgrade === undefined) {
      return
    }
    const { set = {}, add = {}, remove = [] } = requestHeaders ?? {}
    const edits: Header[] = [
      ...Object.entries(set).map(([name, value]): Header => [name, literal(value)]),
      ...Object.entries(add).map(([name, value]): Header => [
        name,
        this.#texts.joined(name, value),
      ]),
      ...remove.map((name): Header => [name, quotedWord('')]),
      ...(upstreamHost === undefined ? [] : [['Host', plain(upstreamHost)] as Header]),
      ...(upgrade === undefined ? [] : this.#upgrade(upgrade)),
    ]
    const names = new Set(edits.map(([name]) => name.toLowerCase()))
    const kept = this.#headers.filter(([name]) => !names.has(name.toLowerCase()))
    for (const [name, value] of [...kept, ...edits]) {
      this.#out.directive('proxy_set_header', plain(name), value)
    }
  }

  #upgrade(protocols: string[]): Header[] {
    const { upgrade, connection } = this.#texts.upgrade(protocols)
    return [
      ['Upgrade', upgrade],
      ['Connection', connection],
    ]
  }

  #response({ responseHeaders = {}, buffering }: RouteAction): void {
    const { set = {}, add = {}, remove = [] } = responseHeaders
    const hidden = [...Object.keys(set), ...remove]
    // One in a location keeps those of the server out.
    for (const name of hidden.length > 0 && this.#isHop ? [...hidden, PEER_HEADER] : hidden) {
      this.#out.directive('proxy_hide_header', plain(name))
    }
    const client =
      buffering === undefined || !this.#isHop
        ? []
        : [['X-Accel-Buffering', buffering ? 'yes' : 'no'] as const]
    for (const [name, value] of [...Object.entries(set), ...Object.entries(add), ...client]) {
      this.#out.directive('add_header', plain(name), literal(value), plain('always'))
    }
  }

  #return(status: number): void {
    if (status === 503) {
      this.#out.directive('add_header', plain('Retry-After'), plain(RETRY_AFTER), plain('always'))
    }
    this.#out.directive('return', plain(String(status)))
  }
}

/** Within a word of other parts. */
function inside(text: string): string {
  return literal(text).text.slice(1, -1)
}
