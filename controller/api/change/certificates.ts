/** Calls about a certificate. No answer, difference or error ever holds a key. */
import { guardCertificate } from '../../../contract/record/certificate.js'
import { printKey } from '../../../contract/keys.js'
import { SluiceError } from '../../../runtime/errors.js'
import { readCertificate, stateOfCertificate, timeProblem } from '../../state/certificate.js'
import type { Certificate } from '../../state/certificate.js'
import { soonest } from '../../table/certificate-plan.js'
import type { DesiredCertificate } from '../../state/desired.js'
import { requireValid } from './bodies.js'
import type { Outcome, World } from './change-call.js'
import type { Draft } from './draft.js'
import { flagsOf } from './redact.js'

export interface CertificateTarget {
  kind: 'certificate'
  id: string
}

export async function putCertificate(
  draft: Draft,
  world: World,
  target: CertificateTarget,
  body: unknown,
): Promise<Outcome> {
  if (world.settings.mode === 'file') {
    const what = 'this controller runs in file mode, in which nginx is given no certificates'
    throw new SluiceError('invalid', what)
  }
  // Without what was given: no answer may hold a key, not even one that stands in the wrong field.
  const certificate = requireValid(readCertificate(requireValid(guardCertificate(body))))
  const problem = timeProblem(certificate, Date.now())
  if (problem !== undefined) {
    throw new SluiceError('invalid', `certificate ${problem}`, { field: 'certificate' })
  }
  const created = (await draft.read(keyOf(target))) === undefined
  await draft.put(keyOf(target), certificate.record)
  return { created, shown: showCertificate(target.id, certificate) }
}

/**
 * `{id, names, issuer, fingerprint, key: "ec prime256v1", state: "valid", notBeforeAtMs,
 * notAfterAtMs, default?}`
 */
export function showCertificate(id: string, certificate: Certificate): Record<string, unknown> {
  const { record, names, issuer, fingerprint, key, notBeforeAtMs, notAfterAtMs } = certificate
  const flags = flagsOf(record)
  const state = stateOfCertificate(certificate, Date.now())
  return { id, names, ...flags, issuer, fingerprint, key, state, notBeforeAtMs, notAfterAtMs }
}

/** Those that end first, for people and monitors. */
export function showSoonest(certificates: Iterable<DesiredCertificate>): object[] {
  return soonest(certificates).map((each) => ({
    id: each.id,
    state: stateOfCertificate(each, Date.now()),
    notAfterAtMs: each.notAfterAtMs,
  }))
}

function keyOf({ id }: CertificateTarget): string {
  return printKey({ kind: 'certificates', id })
}
