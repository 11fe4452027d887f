/** The short answers of the hop itself. They name what the client asked for, never an address of ours. */
import { CODES } from '../contract/codes.js'
import type { Code } from '../contract/codes.js'

export interface Page {
  status: number
  contentType: string
  body: string
}

const DETAIL: { [code: string]: (name: string) => string } = {
  no_route: (name) => 'No route leads from host ' + name,
  no_peer: (name) => (name === '' ? 'Nothing is known yet' : 'No instance of ' + name + ' is up'),
  too_large: () => 'The body is larger than this route takes',
  length_required: () => 'This route takes a body only with its length',
  too_slow: () => 'The upstream was silent for too long',
  upstream_full: (name) => 'Every instance of ' + name + ' has as many requests as it may',
  all_failed: (name) => 'No instance of ' + name + ' answered',
}

function wantsJson(accept: string | undefined): boolean {
  return accept !== undefined && /[/+]json\b/i.test(accept)
}

/** `name` may be what a client sent; it is cut and cannot break out of the text. */
export function refusalPage(code: Code, name: string, accept: string | undefined): Page {
  const known = CODES[code]
  const plain = name.slice(0, 253).replace(/[^\w.*:[\]-]/g, '?')
  const detail = (DETAIL[code] as (name: string) => string)(plain)
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
