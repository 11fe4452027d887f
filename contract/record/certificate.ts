/**
 * The registry's certificates and the shape of them. What is inside the PEM is judged by
 * controller/state/certificate.ts.
 */
import { guardShape, right, wrong } from '../guard/guarded.js'
import type { Guarded } from '../guard/guarded.js'

/** `certificates/<id>`. The key is in the registry as it is: who may read the registry has it. */
export interface CertificateRecord {
  /** The certificate, then those that lead to its authority, PEM. */
  certificate: string
  /** Its key, PEM, not encrypted. */
  privateKey: string
  /** Serves clients that ask for a name that nobody has, or for none. */
  default?: true
  /** Is shown to no client but to instances: upstreams name it in `tls.certificate`. */
  client?: true
}

/** A chain of four with keys of 4096 bits has half of it, and each name has a copy in the table. */
export const MOST_PEM_BYTES = 24576
const FIELDS = ['certificate', 'privateKey', 'default', 'client']
const PEM = /^[\r\n\t -~]+$/

function isPem(value: unknown): value is string {
  return typeof value === 'string' && PEM.test(value) && value.indexOf('-----BEGIN ') >= 0
}

/**
 * `{certificate: "-----BEGIN …", privateKey: "-----BEGIN …"}`. No message repeats anything of the
 * key.
 */
export function guardCertificate(value: unknown): Guarded<CertificateRecord> {
  const shape = guardShape(value, FIELDS)
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
  if (fields.certificate.length + fields.privateKey.length > MOST_PEM_BYTES) {
    return wrong('certificate', 'and privateKey have more than ' + MOST_PEM_BYTES + ' bytes')
  }
  const flag = ['default', 'client'].filter((name) => name in fields && fields[name] !== true)[0]
  if (flag !== undefined) {
    return wrong(flag, 'must be true or absent')
  }
  return fields.client === true && fields.default === true
    ? wrong(
        'default',
        'is for certificates that clients are shown; with client this one is for instances',
      )
    : right(fields as unknown as CertificateRecord)
}
