/** Sticky sessions: from what the client says to the instance it was with. */
import { ENTRY_LENGTH, parseEntry } from '../../contract/rules.js'
import type { Entry, Rules } from '../../contract/rules.js'
import { textOf } from '../../contract/text-source.js'
import type { Dict } from '../dict.js'
import type { Asked } from '../lookup.js'

const MOST_LENGTH = 128

function namedBy(table: Dict, upstream: string, name: string): string | undefined {
  return /^[\w.:-]{1,128}$/.test(name) ? table.get(upstream + '$' + name) : undefined
}

/** What the table has of the token, or of the instance's id, that the client says. Ids may have dots themselves. */
function sessionOf(
  table: Dict,
  asked: Asked,
  upstream: string,
  sticky: string,
): string | undefined {
  if (sticky.indexOf('cookie:') === 0) {
    const token = textOf(asked, sticky)
    return /^[0-9a-f]{16}$/.test(token) ? table.get(upstream + '$' + token) : undefined
  }
  const text = textOf(asked, sticky.slice('route:'.length)).slice(0, 4 * MOST_LENGTH)
  const all = namedBy(table, upstream, text)
  return all === undefined ? namedBy(table, upstream, text.slice(text.lastIndexOf('.') + 1)) : all
}

/** The entry of the session's instance; null when there is no session, or its instance takes it no more. */
export function sessionEntry(
  table: Dict,
  asked: Asked,
  upstream: string,
  rules: Rules,
): Entry | null {
  const found = rules.sticky === '' ? undefined : sessionOf(table, asked, upstream, rules.sticky)
  return found === undefined || found.length < ENTRY_LENGTH ? null : parseEntry(found, 0)
}

/** `sluice=0123456789abcdef; Path=/; HttpOnly` for a peer with this token; '' when the policy has no cookie. */
export function sessionCookie(table: Dict, upstream: string, rules: Rules, token: string): string {
  const isCookie = rules.sticky.indexOf('cookie:') === 0
  return isCookie && token !== ''
    ? rules.sticky.slice('cookie:'.length) + '=' + token + (table.get(upstream + '$') || '')
    : ''
}
