/** The registry's certificates and the shape of them. What is inside the PEM is judged by controller/certificate.ts. */
import { checkShape, right, wrong } from './checked.js'
import type { Checked } from './checked.js'

/** `certificates/<id>`. The key is in the registry as it is: who may read the registry has it. */
export interface CertificateRecord {
  /** The certificate, then those that lead to its authority, PEM. */
  certificate: string
  /** Its key, PEM, not encrypted. */
  privateKey: string
  /** Serves clients that ask for a name that nobody has, or for none. */
  default?: true
}

/** A chain of four with keys of 4096 bits has half of it, and each name has a copy in the table. */
export const MAX_PEM_BYTES = 24576
const FIELDS = ['certificate', 'privateKey', 'default']
const PEM = /^[\r\n\t -~]+$/

function isPem(value: unknown): value is string {
  return typeof value === 'string' && PEM.test(value) && value.indexOf('-----BEGIN ') >= 0
}

/** `{certificate: "-----BEGIN …", privateKey: "-----BEGIN …"}`. No message repeats anything of the key. */
export function checkCertificate(value: unknown): Checked<CertificateRecord> {
  const shape = checkShape(value, FIELDS)
  if (!shape.ok) {
    return shape
  }
  const fields = shape.value
  if (!isPem(fields.certificate)) {
    return wrong('certificate', 'must be a certificate and its chain in PEM')
  }
  if (!isPem(fields.privateKey)) {
    return wrong('privateKey', 'must be a private key in PEM')
  }
  if (fields.certificate.length + fields.privateKey.length > MAX_PEM_BYTES) {
    return wrong('certificate', 'and privateKey have more than ' + MAX_PEM_BYTES + ' bytes')
  }
  return fields.default === undefined || fields.default === true
    ? right(fields as unknown as CertificateRecord)
    : wrong('default', 'must be true or absent')
}
