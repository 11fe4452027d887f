/** A request that somebody asks about, as nginx would see it. */
import type { Variables } from '../../../contract/table/route-condition.js'

/** As a person types it: any case, a port, a trailing dot, a query. */
export interface RequestQuestion {
  host: string
  path: string
  method?: string | undefined
  /** Lines such as `X-Canary: always`. */
  headers?: string[] | undefined
  /** Its Cookie header. */
  cookie?: string | undefined
  /** The client's. */
  address?: string | undefined
}

export interface ExplainedRequest {
  host: string
  path: string
  variables: Variables
}

/** What nginx calls `$host`. */
export function plainHost(text: string): string {
  return text.trim().toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')
}

/** What nginx calls `$uri`: decoded, without query, with `.`, `..` and double slashes resolved. */
export function plainPath(text: string): string {
  const path = text.replace(/[?#].*$/s, '')
  let decoded = path
  try {
    decoded = decodeURIComponent(path)
  } catch {
    // Not UTF-8. It then matches no prefix that has such characters, which is as nginx sees it.
  }
  const segments: string[] = []
  for (const segment of decoded.split('/')) {
    if (segment === '..') {
      segments.pop()
    } else if (segment !== '' && segment !== '.') {
      segments.push(segment)
    }
  }
  const closing = /\/\.{0,2}$/.test(decoded) && segments.length > 0 ? '/' : ''
  return `/${segments.join('/')}${closing}`
}

/** The first pair of a name counts, as nginx has it. */
function named(prefix: string, pairs: string[], mark: string): Array<[string, string]> {
  const found = pairs.flatMap((pair): Array<[string, string]> => {
    const at = pair.indexOf(mark)
    const name = pair.slice(0, at).trim().toLowerCase()
    return at < 0 ? [] : [[prefix + name, pair.slice(at + 1).trim()]]
  })
  return found.reverse()
}

function variablesOf(question: RequestQuestion): Variables {
  const { path, method = 'GET', headers = [], cookie = '', address } = question
  const query = /\?([^#]*)/.exec(path)?.[1] ?? ''
  const spelled = headers.map((line) => line.replace(/^[^:]*/, (name) => name.replace(/-/g, '_')))
  const said = named('http_', spelled, ':')
  const cookies = said.find(([name]) => name === 'http_cookie')?.[1] ?? cookie
  return Object.fromEntries([
    ['request_method', method],
    ['remote_addr', address],
    ['request_uri', path],
    ...said,
    ['http_cookie', cookies],
    ...named('cookie_', cookies.split(';'), '='),
    ...named('arg_', query.split('&'), '='),
  ])
}

export function askedBy(question: RequestQuestion): ExplainedRequest {
  return {
    host: plainHost(question.host),
    path: plainPath(question.path),
    variables: variablesOf(question),
  }
}
