/** An authority of the test's own, by openssl, and certificates that it signs. */
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { tools } from '../tools.js'

interface KeyPair {
  cert: string
  key: string
}

/** Paths of PEM files. */
export interface EtcdCertificates {
  ca: string
  server: KeyPair
  client: KeyPair
}

/** What a certificate has besides its names. */
export interface CertificateOptions {
  /** `rsa:2048`; by default an elliptic curve. */
  key?: string
  /** Days from now until it ends. */
  days?: number
  /** `20200101000000Z`: begin and end, in place of days. */
  between?: [notBefore: string, notAfter: string]
  /** Another line of extensions: `extendedKeyUsage=clientAuth`. */
  extension?: string
}

/** Texts, as the API takes them. */
export type Pem = {
  certificate: string
  privateKey: string
}

export interface Authority {
  /** Path and text of its own certificate. */
  path: string
  pem: string
  /** A certificate for these names (`DNS:a.test`, or a bare `a.test`), and its key. */
  issue(names: string[], options?: CertificateOptions): Promise<Pem>
  /** An authority that this one vouches for; what it issues brings it along in the chain. */
  below(): Promise<Authority>
  /** Runs openssl in the folder. */
  openssl(...args: string[]): Promise<string>
}

const run = promisify(execFile)
const VALID = ['-days', '2']
const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
// The unpacked openssl would look for its configuration where it is not installed.
const CONFIG = '[req]\ndistinguished_name=dn\n[dn]\n[ca]\nbasicConstraints=CA:TRUE\n'

/** An authority with one certificate for a server on loopback and one for a client. */
export async function makeCertificates(folder: string): Promise<EtcdCertificates> {
  const ca = await makeAuthority(folder)
  const pair = async (name: string): Promise<KeyPair> => {
    const { certificate, privateKey } = await ca.issue(['localhost', 'IP:127.0.0.1'])
    const paths = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) }
    writeFileSync(paths.cert, certificate)
    writeFileSync(paths.key, privateKey)
    return paths
  }
  return { ca: ca.path, server: await pair('server'), client: await pair('client') }
}

export async function makeAuthority(folder: string): Promise<Authority> {
  const { openssl } = await tools()
  const config = join(folder, 'openssl.cnf')
  writeFileSync(config, CONFIG)
  let count = 0
  const call = async (...args: string[]) => (await run(openssl, args, { cwd: folder })).stdout
  const make = async (name: string, key: string[], args: string[]): Promise<KeyPair> => {
    const pair = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) }
    const output = ['-keyout', pair.key, '-out', pair.cert]
    const subject = ['-subj', `/CN=${name}`, '-config', config]
    await call('req', '-x509', ...key, ...output, ...subject, ...args)
    return pair
  }
  const authority = (own: KeyPair, chain: string): Authority => {
    const signed = ['-CA', own.cert, '-CAkey', own.key]
    return {
      path: own.cert,
      pem: readFileSync(own.cert, 'utf8'),
      issue: async (names, { key, days = 2, between, extension } = {}) => {
        const san = names.map((name) => (name.includes(':') ? name : `DNS:${name}`)).join(',')
        const extensions = [...(san === '' ? [] : [`subjectAltName=${san}`]), extension ?? '']
        const kind = key === undefined ? CURVE : ['-newkey', key, '-nodes']
        const time = between
          ? ['-not_before', between[0], '-not_after', between[1]]
          : ['-days', String(days)]
        const added = extensions.filter(Boolean).flatMap((each) => ['-addext', each])
        const pair = await make(`c${++count}`, kind, [...signed, ...time, ...added])
        return {
          certificate: readFileSync(pair.cert, 'utf8') + chain,
          privateKey: readFileSync(pair.key, 'utf8'),
        }
      },
      below: async () => {
        const pair = await make(`ca${++count}`, CURVE, [...signed, ...VALID, '-extensions', 'ca'])
        return authority(pair, readFileSync(pair.cert, 'utf8') + chain)
      },
      openssl: call,
    }
  }
  return authority(await make('ca', CURVE, [...VALID, '-extensions', 'ca']), '')
}
