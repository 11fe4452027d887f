/** Which of the names that TLS is passed through for a client asks for. */
import { UnitKind } from '../../contract/table/mark.js'
import { isHost } from '../../contract/guard/names.js'
import type { Dict } from '../memory/dict.js'

/**
 * `a.b.c` → the unit of `a.b.c`, `*.b.c` or `*.c`, the first that there is; '' for none.
 * `before`: `tls*` or `9100*`. What is no host's name is no key of the table.
 */
export function findSniUnit(table: Dict, before: string, asked: string): string {
  const name = asked.toLowerCase()
  if (!isHost(name)) {
    return ''
  }
  let unit = UnitKind.Host + before + name
  let dot = name.indexOf('.')
  while (table.get(unit) === undefined) {
    if (dot < 0) {
      return ''
    }
    unit = UnitKind.Host + before + '*' + name.slice(dot)
    dot = name.indexOf('.', dot + 1)
  }
  return unit
}
