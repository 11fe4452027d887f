/** Certificates → which of them each name is served with. Pure. */
import type { DesiredCertificate } from '../state/desired.js'

/** The name under which the default stands: what `*.` begins with, and no host's. */
export const DEFAULT_NAME = '*'

/** Where one for instances stands, and under no other name: no host's begins so. */
function clientName(id: string): string {
  return `=${id}`
}

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

function placesOf({ id, names, record }: DesiredCertificate): string[] {
  if (record.client === true) {
    return [clientName(id)]
  }
  return record.default === true ? [...names, DEFAULT_NAME] : names
}

export function planCertificates(
  certificates: Iterable<DesiredCertificate>,
): Map<string, DesiredCertificate> {
  const plan = new Map<string, DesiredCertificate>()
  for (const certificate of certificates) {
    for (const name of placesOf(certificate)) {
      const other = plan.get(name)
      if (other === undefined || isBetter(certificate, other)) {
        plan.set(name, certificate)
      }
    }
  }
  return plan
}
