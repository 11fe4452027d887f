/** Findings about certificates that are shown to clients or to instances. */
import type { Desired, DesiredCertificate } from '../state/desired.js'
import { stateOfCertificate } from '../state/certificate.js'
import { planCertificates } from '../table/certificate-plan.js'
import type { Observation, FindingSource } from './facts.js'

/** One plan for each set of certificates: it is asked each second, and the set changes seldom. */
const servedOf = new WeakMap<Desired['certificates'], DesiredCertificate[]>()

function served(certificates: Desired['certificates']): DesiredCertificate[] {
  let found = servedOf.get(certificates)
  if (found === undefined) {
    found = [...new Set(planCertificates(certificates.values()).values())]
    servedOf.set(certificates, found)
  }
  return found
}

/** One that no name is served with any more is nobody's trouble. */
export const certificatesEnding: FindingSource = ({ desired, settings }, nowMs) =>
  settings.mode === 'file'
    ? []
    : served(desired().certificates).flatMap((one) => observe(one, nowMs))

function observe(certificate: DesiredCertificate, nowMs: number): Observation[] {
  const { id, notBeforeAtMs, notAfterAtMs, names, record } = certificate
  const state = stateOfCertificate(certificate, nowMs)
  const end = new Date(notAfterAtMs).toISOString()
  const whom = record.client === true ? 'instances' : 'clients'
  const forWhom = names.length === 0 ? '' : ` for ${names.slice(0, 3).join(', ')}`
  if (state === 'expired') {
    const message = `certificate ${id}${forWhom} expired at ${end}; ${whom} refuse the connection`
    return [{ code: 'certificate_expired', subject: id, message, sinceAtMs: notAfterAtMs }]
  }
  if (state === 'expiring') {
    const message = `certificate ${id}${forWhom} ends at ${end}; ${whom} will refuse it then`
    const sinceAtMs = notAfterAtMs - (notAfterAtMs - notBeforeAtMs) / 4
    return [{ code: 'certificate_ending', subject: id, message, sinceAtMs: Math.floor(sinceAtMs) }]
  }
  return []
}
