/** What a route changes of an answer's headers. */
import { Line } from '../../contract/table/action-lines.js'
import { editHeader } from '../hop/edit-header.js'
import type { HeadersOut } from '../hop/edit-header.js'
import type { Dict } from '../memory/dict.js'

/** By the record of the route `unit`; a route that is gone by now changes nothing. */
export function editHeaders(table: Dict, out: HeadersOut, unit: string): void {
  const record = table.get(unit)
  const edits = record === undefined ? undefined : record.split('\n')[Line.Answered]
  // Each stands behind a tab.
  const all = edits === undefined ? [] : edits.split('\t')
  for (let i = 1; i < all.length; i++) {
    const one = all[i] as string
    const end = one.indexOf(': ')
    const name = one.slice(1, end < 0 ? undefined : end)
    editHeader(out, one.charAt(0), name, one.slice(end + 2))
  }
}
