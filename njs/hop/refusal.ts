/**
 * The short answers of the hop itself. They name what the client asked for, never an address of
 * ours.
 */
import { CODES } from '../../contract/codes.js'
import type { Code } from '../../contract/codes.js'

export interface RefusalPage {
  status: number
  contentType: string
  body: string
}

/** Before there is a table; and where something threw, for which no upstream need be known. */
const UNKNOWN =
  'The gateway cannot tell who serves this: it has no table yet, or its error log says why'

const DETAIL: { [code: string]: (name: string) => string } = {
  no_route: (name) => 'No route leads from host ' + name,
  unclear_path: () => 'The path can be read in two ways: it has a .. in it',
  no_peer: (name) => (name === '' ? UNKNOWN : 'No instance of ' + name + ' is up'),
  not_grpc: (name) => 'Upstream ' + name + ' does not speak gRPC',
  only_grpc: (name) => 'Upstream ' + name + ' speaks gRPC, and nothing else',
  no_h2: (name) => 'Upstream ' + name + ' speaks HTTP/2, for which nginx here is too old',
  not_for_grpc: (name) => 'This route has ' + name + ', which nginx cannot do with gRPC',
  maintenance: () => 'This route is under maintenance',
  too_large: () => 'The body is larger than this route takes',
  length_required: () => 'This route takes a body only with its length',
  too_slow: () => 'The upstream was silent for too long',
  upstream_full: (name) => 'Every instance of ' + name + ' has as many requests as it may',
  all_failed: (name) => 'No instance of ' + name + ' answered',
}

/** Statuses of gRPC: CANCELLED is 1, and so on. */
const INVALID_ARGUMENT = 3
const DEADLINE_EXCEEDED = 4
const UNIMPLEMENTED = 12
const UNAVAILABLE = 14
const GRPC_STATUS: { [code: string]: number } = {
  no_route: UNIMPLEMENTED,
  unclear_path: INVALID_ARGUMENT,
  not_grpc: UNIMPLEMENTED,
  not_for_grpc: UNIMPLEMENTED,
  too_slow: DEADLINE_EXCEEDED,
}

/** What cannot break out of a page or a header: it may be what a client sent. */
function plainName(name: string): string {
  return name.slice(0, 253).replace(/[^\w.*:[\]-]/g, '?')
}

/**
 * The headers of an answer that is nothing but a status:
 * `{'grpc-status': '14', 'grpc-message': 'No instance of web is up'}`.
 */
export function grpcRefusal(code: Code, name: string): { [header: string]: string } {
  const detail = (DETAIL[code] as (name: string) => string)(plainName(name))
  return {
    'Content-Type': 'application/grpc',
    'grpc-status': String(GRPC_STATUS[code] || UNAVAILABLE),
    'grpc-message': detail,
  }
}

function wantsJson(accept: string | undefined): boolean {
  return accept !== undefined && /[/+]json\b/i.test(accept)
}

/** `name` is cut and cannot break out of the text. */
export function refusalPage(code: Code, name: string, accept: string | undefined): RefusalPage {
  const known = CODES[code]
  const detail = (DETAIL[code] as (name: string) => string)(plainName(name))
  if (!wantsJson(accept)) {
    return {
      status: known.status,
      contentType: 'text/plain; charset=utf-8',
      body: known.status + ' ' + detail + '\n',
    }
  }
  const problem = { title: known.title, status: known.status, code: code, detail: detail }
  return {
    status: known.status,
    contentType: 'application/problem+json',
    body: JSON.stringify(problem) + '\n',
  }
}
