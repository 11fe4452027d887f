/** Which of the names that TLS is passed through for a client asks for. */
import { PASSED_NAME } from '../contract/zones.js'
import type { Dict } from './dict.js'

const MOST_NAME = 253

/** `a.b.c` → the unit of `a.b.c`, `*.b.c` or `*.c`, the first that there is; '' for none. */
export function findPassed(table: Dict, asked: string): string {
  if (asked === '' || asked.length > MOST_NAME) {
    return ''
  }
  const name = asked.toLowerCase()
  let unit = '@' + PASSED_NAME + name
  let dot = name.indexOf('.')
  while (table.get(unit) === undefined) {
    if (dot < 0) {
      return ''
    }
    unit = '@' + PASSED_NAME + '*' + name.slice(dot)
    dot = name.indexOf('.', dot + 1)
  }
  return unit
}
