/** The authorities whose word counts for instances that are reached over TLS. */
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import { SluiceError, messageOf } from './errors.js'

/** Where systems keep theirs: Debian and Alpine, Fedora and its like, SUSE, FreeBSD and macOS. */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw wrong(`cannot be read: ${messageOf(error)}`)
  }
}

function wrong(what: string): SluiceError {
  return new SluiceError('invalid', `trustedCa ${what}`, { field: 'trustedCa' })
}

/**
 * The certificates in the PEM file `path`, and nothing else that is in it; without `path` those
 * that this system trusts, or, where it has no list, those that Node brings. Throws `invalid` when
 * there is none, or one that cannot be read.
 */
export function readTrustedCa(path: string | undefined): string {
  const bundle = path ?? BUNDLES.find((each) => existsSync(each))
  const found = bundle === undefined ? rootCertificates : (read(bundle).match(CERTIFICATE) ?? [])
  if (found.length === 0) {
    throw wrong(`has no certificate in it: ${bundle}`)
  }
  if (path !== undefined) {
    found.forEach((text, i) => check(text, `number ${i + 1} in ${path}`))
  }
  return found.join('\n') + '\n'
}

function check(text: string, which: string): void {
  try {
    new X509Certificate(text)
  } catch (error) {
    throw wrong(`is not right: certificate ${which}: ${messageOf(error)}`)
  }
}
