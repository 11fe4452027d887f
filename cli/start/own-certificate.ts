/**
 * The certificate that a home shows clients as long as the table has none for them: nobody signed
 * it but itself.
 */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import {
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { homePaths } from '../../nginx/home-paths.js'
import type { Settings } from '../../runtime/config/settings.js'
import { readIfThere, writeWhole } from '../../runtime/whole-file.js'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 86_400_000
const DAYS = 3650

async function selfSigned(domains: string[]): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const names = domains
    .flatMap((domain) => [domain, `*.${domain}`])
    .map((value) => ({ type: 'dns' as const, value }))
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=Sluice',
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAYS * DAY_MS),
    extensions: [new SubjectAlternativeNameExtension(names)],
  })
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return `${certificate.toString('pem')}\n${PemConverter.encode(key, 'PRIVATE KEY')}\n`
}

/**
 * Makes it once for a home, as a line of nginx's configuration that its user alone may read. nginx
 * reads it when it starts, before it becomes anybody else.
 */
export async function makeOwnCertificate({
  home,
  domains,
}: Pick<Settings, 'home' | 'domains'>): Promise<void> {
  const path = homePaths(home).ownCertificate
  if (((await readIfThere(path)) ?? '') !== '') {
    return
  }
  const text = `# Made once. Without this file another one is made at the next start.\njs_var $sluice_own_certificate "\n${await selfSigned(domains.length === 0 ? ['localhost'] : domains)}";\n`
  await writeWhole(path, text, 0o600)
}
