/** The certificate that an upstream's peers are shown. */
import type { Dict } from '../memory/dict.js'

/** PEM. Throws where it is not there: the peer would take us for somebody else. */
export function certificateFor(id: string, table: Dict): string {
  const shown = table.get('^=' + id)
  if (shown === undefined) {
    throw new Error('the table has no certificate ' + id + ' to show to instances')
  }
  return shown
}
