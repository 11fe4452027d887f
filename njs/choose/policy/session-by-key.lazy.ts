/** What the table has of the session that a client names. */
import { textOf } from '../../../contract/table/text-of.js'
import type { Dict } from '../../memory/dict.js'
import type { LookupRequest } from '../../table/lookup-request.js'

const MOST_LENGTH = 128

function namedBy(table: Dict, upstream: string, name: string): string | undefined {
  return /^[\w.:-]{1,128}$/.test(name) ? table.get(upstream + '$' + name) : undefined
}

/**
 * What the table has of the token, or of the instance's id, that the client says. Ids may have
 * dots themselves.
 */
function sessionOf(
  table: Dict,
  request: LookupRequest,
  upstream: string,
  sticky: string,
): string | undefined {
  if (sticky.indexOf('cookie:') === 0) {
    const token = textOf(request, sticky)
    return /^[0-9a-f]{16}$/.test(token) ? table.get(upstream + '$' + token) : undefined
  }
  const text = textOf(request, sticky.slice('route:'.length)).slice(0, 4 * MOST_LENGTH)
  const all = namedBy(table, upstream, text)
  return all === undefined ? namedBy(table, upstream, text.slice(text.lastIndexOf('.') + 1)) : all
}

export function sessionByKey(): typeof sessionOf {
  return sessionOf
}
