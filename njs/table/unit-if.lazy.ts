/** Whether the conditions of a host's line hold. */
import { isMet } from '../../contract/table/route-condition.js'
import type { LookupRequest } from './lookup-request.js'

/** The unit of a line, `<unit>` and after a tab each condition; '' unless all of them hold. */
export function unitIf(line: string, request: LookupRequest): string {
  const variables = request.variables
  let tab = line.indexOf('\t')
  const unit = tab < 0 ? line : line.slice(0, tab)
  while (tab > 0) {
    const next = line.indexOf('\t', tab + 1)
    if (!isMet(next < 0 ? line.slice(tab + 1) : line.slice(tab + 1, next), variables)) {
      return ''
    }
    tab = next
  }
  return unit
}
