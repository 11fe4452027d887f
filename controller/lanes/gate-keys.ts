/** What of a path nginx looks a gate up by: the first segment or two, as a map compares them. */
import { MOST_HASHED } from '../fallback/words.js'

/** nginx compares a map's keys without regard to case, and paths differ by it. */
export const SEGMENT = '/[a-z0-9_~-][a-z0-9_.~-]*'
const WHOLE_SEGMENT = new RegExp(`^${SEGMENT}$`)

/** In the place of all segments that are none of that kind: `*`, or below `/api`, `/api/*`. */
export const OTHERS = '*'

/** `/api/v2` → `/api`; `/` → `/`. */
export function firstOf(prefix: string): string {
  const end = prefix.indexOf('/', 1)
  return end === -1 ? prefix : prefix.slice(0, end)
}

/**
 * What nginx looks a prefix up by: as much of it as has a name, two segments at most. Only where it
 * is the whole prefix may there be a gate.
 */
export function keyOf(host: string, prefix: string): string {
  const first = firstOf(prefix)
  if (first === '/' || !WHOLE_SEGMENT.test(first)) {
    return first === '/' ? first : OTHERS
  }
  const pair = first + firstOf(prefix.slice(first.length))
  const second = pair.slice(first.length)
  const key = second === '' || WHOLE_SEGMENT.test(second) ? pair : `${first}/${OTHERS}`
  return host.length + key.length > MOST_HASHED ? first : key
}
