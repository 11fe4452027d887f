/** The authorities that are trusted. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readTrustedCa } from '../../../runtime/trusted-ca.js'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import { temporaryFolder } from '../../../lab/temp.js'

t.test('the certificates of a file, and nothing else that is in it', async (t) => {
  const folder = temporaryFolder(t, 'ca')
  const { path: ca } = await makeAuthority(folder)
  const certificate = readFileSync(ca, 'utf8').trim()
  const both = join(folder, 'both.pem')
  writeFileSync(both, `# ours\n${certificate}\n${readFileSync(ca.replace('.pem', '.key'), 'utf8')}`)
  t.equal(readTrustedCa(both), `${certificate}\n`)
})

t.test('without a file there are some', async (t) => {
  t.match(readTrustedCa(undefined), /^-----BEGIN CERTIFICATE-----/)
})

t.test('what is no such file is refused by name', async (t) => {
  const folder = temporaryFolder(t, 'ca')
  const at = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const block = (text: string): string =>
    `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`
  const refused = { code: 'invalid', field: 'trustedCa' }
  t.throws(() => readTrustedCa(join(folder, 'none.pem')), { ...refused, message: /cannot be read/ })
  t.throws(() => readTrustedCa(at('empty', '')), { ...refused, message: /no certificate/ })
  t.throws(() => readTrustedCa(at('bad', block('aGVsbG8='))), { ...refused, message: /number 1/ })
})
