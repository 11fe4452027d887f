/** What a route makes of a request's address. Everything here is the client's text. */
import { isLeavingPath } from '../../contract/guard/client-patterns.js'
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
  // Joined at the end: njs copies all of a text for each character that is put behind it.
  const parts: string[] = []
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number
    parts.push(byte < 128 ? String.fromCharCode(byte) : '%' + byte.toString(16).toUpperCase())
  }
  return parts.join('')
}

/** `%61` → `a`. Of bytes beyond ASCII it is enough that they are none of a prefix's characters. */
function decode(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => {
    return String.fromCharCode(parseInt(hex, 16))
  })
}

/**
 * `raw` as nginx reads it; as it is where it is too long for the part `wanted` or for `..`, however
 * it is written.
 */
function readPart(raw: string, wanted: string | undefined): string {
  const most = wanted === undefined || wanted.length < 2 ? 2 : wanted.length
  return raw.length > 3 * most || raw.indexOf('%') < 0 ? raw : decode(raw)
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
 * Finds the slashes of a path, one after the other, as they are and encoded. njs looks at a whole
 * text for each match of a pattern, so with one a path would cost its length for each slash.
 */
function slashFinder(path: string): (from: number) => number {
  const spellings = ['/', '%2f', '%2F']
  const next = spellings.map(() => -1)
  return (from) => {
    spellings.forEach((slash, i) => {
      if ((next[i] as number) < from) {
        const found = path.indexOf(slash, from)
        next[i] = found < 0 ? path.length : found
      }
    })
    return Math.min(next[0] as number, next[1] as number, next[2] as number)
  }
}

/**
 * Where the parts of a path end that make `prefix` as nginx reads them (`%61`, `.`, `..` and `//`
 * resolved), and with what follows never leave it again. -1 when none do.
 */
function endOfPrefix(path: string, prefix: string): number {
  const wanted = prefix.split('/').slice(1)
  const nextSlash = slashFinder(path)
  const leaves = isLeavingPath(path)
  // The segments, and how many of the first ones are those of the prefix: in step, so that a path
  // costs by its length, however often it leaves the prefix.
  let depth = 0
  let matched = 0
  let found = -1
  let at = nextSlash(0)
  while (at < path.length && (found < 0 || leaves)) {
    const start = at + (path.charAt(at) === '/' ? 1 : 3)
    at = nextSlash(start)
    const part = start === at ? '' : readPart(path.slice(start, at), wanted[depth])
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
      found = at
    }
  }
  return found
}

/** What stands behind a route's prefix, byte for byte, from its slash on: path and query. */
function afterPrefix(target: string, prefix: string): string {
  if (prefix === '/') {
    return target
  }
  const path = target.slice(0, pathLength(target))
  const end = endOfPrefix(path, prefix)
  if (end < 0) {
    throw new Error('the path does not begin with ' + prefix)
  }
  if (end === path.length) {
    return target.slice(end)
  }
  // An encoded slash parts a path as well: nginx decodes it before it matches.
  return '/' + target.slice(end + (path.charAt(end) === '/' ? 1 : 3))
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
