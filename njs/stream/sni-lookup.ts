/** Which of the names that TLS is passed through for a client asks for. */
import type { Dict } from '../memory/dict.js'

const MOST_NAME = 253

/**
 * `a.b.c` → the unit of `a.b.c`, `*.b.c` or `*.c`, the first that there is; '' for none.
 * `before`: `tls*` or `9100*`.
 */
export function findSniUnit(table: Dict, before: string, asked: string): string {
  if (asked === '' || asked.length > MOST_NAME) {
    return ''
  }
  const name = asked.toLowerCase()
  let unit = '@' + before + name
  let dot = name.indexOf('.')
  while (table.get(unit) === undefined) {
    if (dot < 0) {
      return ''
    }
    unit = '@' + before + '*' + name.slice(dot)
    dot = name.indexOf('.', dot + 1)
  }
  return unit
}
