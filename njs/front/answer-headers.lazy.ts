/** What a route changes of an answer's headers. */
import { Line } from '../../contract/table/action-lines.js'
import type { Dict } from '../memory/dict.js'
import type { HeadersOut } from '../hop/act-headers.js'

function edit(out: HeadersOut, mark: string, name: string, value: string): void {
  const there = mark === '+' ? out[name] : undefined
  if (there === undefined) {
    delete out[name]
  }
  if (mark !== '-') {
    out[name] = there === undefined ? value : ([] as string[]).concat(there, value)
  }
}

/** By the record of the route `unit`; a route that is gone by now changes nothing. */
export function editHeaders(table: Dict, out: HeadersOut, unit: string): void {
  const record = table.get(unit)
  const edits = record === undefined ? undefined : record.split('\n')[Line.Answered]
  // Each stands behind a tab.
  const all = edits === undefined ? [] : edits.split('\t')
  for (let i = 1; i < all.length; i++) {
    const one = all[i] as string
    const end = one.indexOf(': ')
    edit(out, one.charAt(0), one.slice(1, end < 0 ? undefined : end), one.slice(end + 2))
  }
}
