/** What is in the PEM of a certificate's record, and whether nginx and its clients could use it. */
import { X509Certificate, createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { CertificateRecord } from '../../contract/record/certificate.js'
import { right, wrong } from '../../contract/guard/guarded.js'
import type { Guarded } from '../../contract/guard/guarded.js'
import { isHostPattern } from '../../contract/guard/names.js'
import { messageOf } from '../../runtime/errors.js'

/** A record that was judged; its PEM is printed anew from what was read. */
export interface Certificate {
  record: CertificateRecord
  /**
   * Its DNS names, lower case: `app.example.com`, `*.example.com`. Empty only for a default, and
   * for one that is shown to instances.
   */
  names: string[]
  /** One line, its parts separated by `, `. */
  issuer: string
  /** SHA-256 of the certificate, as browsers and `openssl x509 -fingerprint` print it. */
  fingerprint: string
  /** `rsa 2048`, `ec prime256v1`, `ed25519`. */
  key: string
  notBeforeAtMs: number
  notAfterAtMs: number
}

interface Block {
  label: string
  text: string
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g
/** Copies of the chain and the key that a table holds for it. */
const MOST_NAMES = 100
const LEAST_RSA_BITS = 2048
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1']
const ANY_USE = '2.5.29.37.0'
const SERVER_USE = '1.3.6.1.5.5.7.3.1'
const CLIENT_USE = '1.3.6.1.5.5.7.3.2'

function blocksOf(pem: string): Block[] {
  return [...pem.matchAll(BLOCK)].map(([text, label = '']) => ({ label, text }))
}

function readChain(pem: string): Guarded<[X509Certificate, ...X509Certificate[]]> {
  const blocks = blocksOf(pem)
  const other = blocks.find(({ label }) => label !== 'CERTIFICATE')
  if (other !== undefined) {
    return wrong('certificate', `holds a ${other.label}; only certificates belong there`)
  }
  const chain: X509Certificate[] = []
  for (const [index, { text }] of blocks.entries()) {
    try {
      chain.push(new X509Certificate(text))
    } catch {
      return wrong(
        'certificate',
        `cannot be read: number ${index + 1} of its PEM is no certificate`,
      )
    }
  }
  const [leaf, ...above] = chain
  return leaf === undefined
    ? wrong('certificate', 'holds no whole certificate in PEM')
    : right([leaf, ...above])
}

/** No message repeats anything of the key. */
function readKey(pem: string): Guarded<KeyObject> {
  const keys = blocksOf(pem).filter(({ label }) => label !== 'EC PARAMETERS')
  const [key] = keys
  if (key === undefined || keys.length > 1 || !key.label.endsWith('PRIVATE KEY')) {
    return wrong('privateKey', 'must hold one private key in PEM, and nothing else')
  }
  if (key.label.startsWith('ENCRYPTED') || /^Proc-Type:.*ENCRYPTED/m.test(key.text)) {
    return wrong('privateKey', 'is encrypted; nginx has nobody to ask for its passphrase')
  }
  try {
    return right(createPrivateKey(key.text))
  } catch {
    return wrong('privateKey', 'cannot be read')
  }
}

/** `rsa 2048`, or undefined for a kind of key that clients do not take. */
function kindOf(key: KeyObject): string | undefined {
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'rsa') {
    return modulusLength >= LEAST_RSA_BITS ? `rsa ${modulusLength}` : undefined
  }
  if (key.asymmetricKeyType === 'ec') {
    return CURVES.includes(namedCurve) ? `ec ${namedCurve}` : undefined
  }
  return key.asymmetricKeyType === 'ed25519' ? 'ed25519' : undefined
}

function chainProblem(chain: X509Certificate[]): string | undefined {
  const at = chain.findIndex((each, i) => {
    const issuer = chain[i + 1]
    return issuer !== undefined && !(each.checkIssued(issuer) && each.verify(issuer.publicKey))
  })
  return at < 0
    ? undefined
    : `is out of order: number ${at + 2} of its PEM did not issue number ${at + 1}`
}

/** Node puts a name in quotation marks that could be taken for several. */
function namesOf(leaf: X509Certificate): Guarded<string[]> {
  const parts = leaf.subjectAltName?.match(/[A-Za-z ]+:("(?:[^"\\]|\\.)*"|[^,]*)/g) ?? []
  const names = parts
    .map((part) => part.trim())
    .filter((part) => part.startsWith('DNS:'))
    .map((part) => part.slice('DNS:'.length).toLowerCase())
  const bad = names.find((name): boolean => !isHostPattern(name))
  if (bad !== undefined) {
    const shown = JSON.stringify(bad.slice(0, 100))
    return wrong('certificate', `has the name ${shown}, which is neither a host nor *. and one`)
  }
  return names.length > MOST_NAMES
    ? wrong('certificate', `has ${names.length} names; at most ${MOST_NAMES} are served`)
    : right([...new Set(names)])
}

/** What the leaf's extended key usage rules out. */
function useProblem({ keyUsage }: X509Certificate, isClients: boolean): string | undefined {
  // Node calls the extended key usage so; its types know of none.
  const usages = keyUsage as string[] | undefined
  const isFor = (use: string) =>
    usages === undefined || usages.includes(use) || usages.includes(ANY_USE)
  if (isFor(isClients ? CLIENT_USE : SERVER_USE)) {
    return undefined
  }
  return isClients
    ? 'is not for clients, its extended key usage says; instances would refuse it'
    : 'is not for servers, its extended key usage says; with client set it is for instances'
}

/** Loads them as nginx does. */
function refusalOf(cert: string, key: string): string | undefined {
  try {
    createSecureContext({ cert, key })
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

function pairProblem(
  chain: [X509Certificate, ...X509Certificate[]],
  key: KeyObject,
  isClients: boolean,
): Guarded<string> {
  const [leaf] = chain
  if (!leaf.checkPrivateKey(key)) {
    const isOther = chain.some((each) => each.checkPrivateKey(key))
    return isOther
      ? wrong('certificate', 'must begin with the certificate of privateKey; it is further down')
      : wrong('privateKey', 'is not the key of the certificate')
  }
  const kind = kindOf(key)
  if (kind === undefined) {
    const rsa = `RSA of ${LEAST_RSA_BITS} bits or more`
    return wrong('privateKey', `must be ${rsa}, EC (P-256, P-384, P-521) or Ed25519`)
  }
  const problem = chainProblem(chain) ?? useProblem(leaf, isClients)
  return problem === undefined ? right(kind) : wrong('certificate', problem)
}

/** The names that it is served with. What no client asks for by name needs none. */
function servedNames(leaf: X509Certificate, record: CertificateRecord): Guarded<string[]> {
  if (record.client === true) {
    return right([])
  }
  const names = namesOf(leaf)
  return names.ok && names.value.length === 0 && record.default !== true
    ? wrong(
        'certificate',
        'has no DNS name among its subject alternative names, and default is not set',
      )
    : names
}

/** Judges all but the time. */
export function readCertificate(record: CertificateRecord): Guarded<Certificate> {
  const chain = readChain(record.certificate)
  if (!chain.ok) {
    return chain
  }
  const key = readKey(record.privateKey)
  if (!key.ok) {
    return key
  }
  const kind = pairProblem(chain.value, key.value, record.client === true)
  if (!kind.ok) {
    return kind
  }
  const [leaf] = chain.value
  const names = servedNames(leaf, record)
  return names.ok ? printed(record, chain.value, key.value, names.value, kind.value) : names
}

/** With its PEM printed anew, as nginx gets it. */
function printed(
  record: CertificateRecord,
  chain: [X509Certificate, ...X509Certificate[]],
  key: KeyObject,
  names: string[],
  kind: string,
): Guarded<Certificate> {
  const [leaf] = chain
  const certificate = chain.map(String).join('')
  const privateKey = key.export({ type: 'pkcs8', format: 'pem' }) as string
  const refusal = refusalOf(certificate, privateKey)
  if (refusal !== undefined) {
    return wrong('certificate', `is refused by OpenSSL: ${refusal}`)
  }
  return right({
    record: { ...record, certificate, privateKey },
    names,
    issuer: leaf.issuer.split('\n').join(', '),
    fingerprint: leaf.fingerprint256,
    key: kind,
    notBeforeAtMs: Date.parse(leaf.validFrom),
    notAfterAtMs: Date.parse(leaf.validTo),
  })
}

/** `expiring`: less than a quarter of its time is left. ACME clients renew when a third is left. */
export type CertificateState = 'valid' | 'expiring' | 'expired'

const LAST_PART = 0.25

export function stateOfCertificate(
  { notBeforeAtMs, notAfterAtMs }: Certificate,
  nowMs: number,
): CertificateState {
  if (notAfterAtMs <= nowMs) {
    return 'expired'
  }
  return notAfterAtMs - nowMs < LAST_PART * (notAfterAtMs - notBeforeAtMs) ? 'expiring' : 'valid'
}

/** What is new must be valid now. What is there already serves on until something better comes. */
export function timeProblem(
  { notBeforeAtMs, notAfterAtMs }: Certificate,
  nowMs: number,
): string | undefined {
  if (notAfterAtMs <= nowMs) {
    return `has expired, at ${new Date(notAfterAtMs).toISOString()}`
  }
  return notBeforeAtMs > nowMs
    ? `is not valid before ${new Date(notBeforeAtMs).toISOString()}`
    : undefined
}
