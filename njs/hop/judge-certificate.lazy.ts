/** What the judge shows to an instance. */
import { zones } from '../memory/dict.js'
import { certificateIn } from './judge-message.js'
import { certificateFor } from '../table/peer-certificate.js'

/**
 * As nginx takes it, `data:<PEM>`; '' for nothing. Throws where the table does not have what
 * `question` names.
 */
export function judgeCertificate(question: string | undefined): string {
  const id = certificateIn(question)
  return id === '' ? '' : 'data:' + certificateFor(id, zones.sluice_table)
}
