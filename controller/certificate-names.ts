/** Certificates → which of them each name is served with. Pure. */
import type { DesiredCertificate } from './desired.js'

/** The name under which the default stands: what `*.` begins with, and no host's. */
export const DEFAULT_NAME = '*'

/** Of two for one name the one that is valid longer serves, and then the one with the lower id. */
function isBetter(a: DesiredCertificate, b: DesiredCertificate): boolean {
  return a.notAfterAtMs === b.notAfterAtMs ? a.id < b.id : a.notAfterAtMs > b.notAfterAtMs
}

/** As many as a metric may have labels. */
const MOST_SHOWN = 200

/** Those that end first. */
export function soonest(certificates: Iterable<DesiredCertificate>): DesiredCertificate[] {
  const sorted = [...certificates].sort((a, b) => a.notAfterAtMs - b.notAfterAtMs)
  return sorted.slice(0, MOST_SHOWN)
}

export function planCertificates(
  certificates: Iterable<DesiredCertificate>,
): Map<string, DesiredCertificate> {
  const plan = new Map<string, DesiredCertificate>()
  for (const certificate of certificates) {
    const { names, record } = certificate
    for (const name of record.default === true ? [...names, DEFAULT_NAME] : names) {
      const other = plan.get(name)
      if (other === undefined || isBetter(certificate, other)) {
        plan.set(name, certificate)
      }
    }
  }
  return plan
}
