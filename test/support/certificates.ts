import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { tools } from './tools.js'

export interface KeyPair {
  cert: string
  key: string
}

/** Paths of PEM files. */
export interface Certificates {
  ca: string
  server: KeyPair
  client: KeyPair
}

const run = promisify(execFile)
const VALID = ['-days', '2']
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

export interface Authority {
  /** Path of its certificate, in PEM. */
  ca: string
  /** `names` as in `subjectAltName`: `DNS:shop.internal,IP:127.0.0.1`. */
  issue: (name: string, names: string) => Promise<KeyPair>
}

/** An authority of its own, whose files are in `folder`. */
export async function makeAuthority(folder: string): Promise<Authority> {
  const { openssl } = await tools()
  const config = join(folder, 'openssl.cnf')
  // The unpacked openssl would look for its configuration where it is not installed.
  writeFileSync(config, '[req]\ndistinguished_name=dn\n[dn]\n[ca]\nbasicConstraints=CA:TRUE\n')
  const at = (name: string): string => join(folder, name)
  const make = async (name: string, extra: string[]): Promise<KeyPair> => {
    const pair = { cert: at(`${name}.pem`), key: at(`${name}.key`) }
    const output = ['-keyout', pair.key, '-out', pair.cert]
    const subject = ['-subj', `/CN=${name}`, '-config', config]
    await run(openssl, ['req', '-x509', ...KEY, ...VALID, ...output, ...subject, ...extra])
    return pair
  }
  const ca = await make('ca', ['-extensions', 'ca'])
  const signed = ['-CA', ca.cert, '-CAkey', ca.key]
  const issue: Authority['issue'] = (name, names) =>
    make(name, [...signed, '-addext', `subjectAltName=${names}`])
  return { ca: ca.cert, issue }
}

/** An authority with one certificate for a server on loopback and one for a client. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const { ca, issue } = await makeAuthority(folder)
  const names = 'DNS:localhost,IP:127.0.0.1'
  return { ca, server: await issue('server', names), client: await issue('client', names) }
}
