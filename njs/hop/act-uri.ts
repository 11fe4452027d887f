/** What a route makes of a request's address. Everything here is the client's text. */
import type { Redirect, Rewrite } from '../../contract/record/route-action.js'

interface RawRequest {
  readonly variables: { [name: string]: string | undefined }
  readonly rawVariables: { [name: string]: Buffer | undefined }
}

/**
 * The path and query as they came, where bytes that are no UTF-8 would not outlive their way
 * through text.
 */
export function targetAsItCame(r: RawRequest): string {
  const text = r.variables.request_uri as string
  if (text.indexOf('\ufffd') < 0) {
    return text
  }
  const bytes = r.rawVariables.request_uri as Buffer
  let target = ''
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number
    target += byte < 128 ? String.fromCharCode(byte) : '%' + byte.toString(16).toUpperCase()
  }
  return target
}

/** `%61` → `a`. Of bytes beyond ASCII it is enough that they are none of a prefix's characters. */
function decode(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => {
    return String.fromCharCode(parseInt(hex, 16))
  })
}

/**
 * How many bytes of a target are its path: a query and, where a client sends one, a fragment
 * follow.
 */
function pathLength(target: string): number {
  const end = target.search(/[?#]/)
  return end < 0 ? target.length : end
}

/**
 * How many of these parts of a path, which lay between slashes, make `prefix` as nginx reads them
 * (`%61`, `.`, `..` and `//` resolved), and with what follows never leave it again. -1 when none
 * do.
 */
function partsOfPrefix(parts: string[], prefix: string): number {
  const wanted = prefix.split('/').slice(1)
  // The segments, and how many of the first ones are those of the prefix: in step, so that a path
  // costs by its length, however often it leaves the prefix.
  let depth = 0
  let matched = 0
  let found = -1
  for (let i = 1; i < parts.length; i++) {
    const raw = parts[i] as string
    const part = raw.indexOf('%') < 0 ? raw : decode(raw)
    if (part === '..') {
      depth = depth > 0 ? depth - 1 : 0
      matched = matched < depth ? matched : depth
    } else if (part !== '' && part !== '.') {
      if (matched === depth && part === wanted[depth]) {
        matched++
      }
      depth++
    }
    if (depth < wanted.length) {
      found = -1
    } else if (found < 0 && depth === wanted.length && matched === depth) {
      found = i
    }
  }
  return found
}

/** What stands behind a route's prefix, byte for byte, from its slash on: path and query. */
function afterPrefix(target: string, prefix: string): string {
  if (prefix === '/') {
    return target
  }
  const length = pathLength(target)
  const path = target.slice(0, length)
  // An encoded slash parts a path as well: nginx decodes it before it matches.
  const slashes = /\/|%2f/gi
  const parts = path.split(slashes)
  const found = partsOfPrefix(parts, prefix)
  if (found < 0) {
    throw new Error('the path does not begin with ' + prefix)
  }
  let at = 0
  const seps = path.match(slashes) as string[]
  for (let i = 0; i <= found; i++) {
    at += (parts[i] as string).length + (i < found ? (seps[i] as string).length : 0)
  }
  const next = seps[found]
  return (next === undefined ? '' : '/' + path.slice(at + next.length)) + target.slice(length)
}

/** `/v2` and `/x?y` → `/v2/x?y`; an empty path becomes `/`. */
function join(prefix: string, rest: string): string {
  const joined = (prefix === '/' ? '' : prefix) + rest
  return joined.charAt(0) === '/' ? joined : '/' + joined
}

/**
 * The path and query that the upstream is asked for. Throws when `target` is not under `prefix`.
 */
export function rewriteTarget(target: string, prefix: string, rewrite: Rewrite): string {
  const to = rewrite.replacePrefix === undefined ? '/' : rewrite.replacePrefix
  return join(to, afterPrefix(target, prefix))
}

/** A request's address, as its client sees it. */
export interface Address {
  scheme: string
  host: string
  /** '' when the client named none. */
  port: string
  /** Path and query. */
  target: string
}

/** Of what the front says: `https` or not, and `app.example.com:8080`. */
export function askedAddress(scheme: string, host: string, target: string): Address {
  const parts = /^(\[.*\]|[^:]*)(?::(\d{1,5}))?$/.exec(host)
  return {
    scheme: scheme === 'https' ? 'https' : 'http',
    host: parts === null ? '' : (parts[1] as string).toLowerCase(),
    port: (parts !== null && parts[2]) || '',
    target: target,
  }
}

function portTo(redirect: Redirect, asked: Address): string {
  if (redirect.port !== undefined) {
    return String(redirect.port)
  }
  return redirect.scheme === undefined || redirect.scheme === asked.scheme ? asked.port : ''
}

function targetTo(redirect: Redirect, asked: Address, prefix: string): string {
  if (redirect.path !== undefined) {
    return redirect.path + asked.target.slice(pathLength(asked.target))
  }
  return redirect.replacePrefix === undefined
    ? asked.target
    : join(redirect.replacePrefix, afterPrefix(asked.target, prefix))
}

function print(address: Address): string {
  const usual = address.scheme === 'https' ? '443' : '80'
  const port = address.port === '' || address.port === usual ? '' : ':' + address.port
  return address.scheme + '://' + address.host + port + address.target
}

/** Where a redirect leads; '' when the request is there already. */
export function redirectTo(redirect: Redirect, asked: Address, prefix: string): string {
  const to = print({
    scheme: redirect.scheme === undefined ? asked.scheme : redirect.scheme,
    host: redirect.host === undefined ? asked.host : redirect.host,
    port: portTo(redirect, asked),
    target: targetTo(redirect, asked, prefix),
  })
  return to === print(asked) ? '' : to
}
