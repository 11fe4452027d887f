/** How certificates are shown to people and monitors, and how they are put by command line. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { applied } from '../../support/applied.js'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import { startCertified } from '../../support/certified.js'
import { nodeArguments } from '../../../lab/node.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { repository } from '../../../lab/tools.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const run = promisify(execFile)
const files = temporaryFolder(t, 'files')
const authority = await makeAuthority(temporaryFolder(t, 'ca'))
const day = (days: number): string =>
  new Date(Date.now() + days * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, '')

t.test('state and end in answers, /readyz and metrics', async (t) => {
  const folder = temporaryFolder(t, 'certificates')
  const it = await startCertified(t, { kind: 'njs', settings: { certificates: folder } })
  const ending = await authority.issue(['b.test'], { between: [day(-30), day(5)] })
  const ended = await authority.issue(['c.test'], { between: [day(-30), day(-1)] })
  await it.call('PUT', '/v1/certificates/a', await authority.issue(['a.test']))
  await it.call('PUT', '/v1/certificates/b', ending)
  const { revision } = await it.registry.commit([
    { type: 'put', key: 'certificates/c', value: JSON.stringify(ended) },
  ])
  await applied(it.controller, revision)
  writeFileSync(join(folder, 'd.key'), 'none')
  t.match(await it.shake('c.test', authority.pem), { distrust: 'CERT_HAS_EXPIRED' }, 'serves on')
  const { certificates } = (await it.call('GET', '/v1/certificates')).body
  const states = certificates.map(({ id, state }: Record<string, string>) => `${id} ${state}`)
  t.same(states, ['a valid', 'b expiring', 'c expired'])
  const ready = (await it.call('GET', '/readyz?verbose')).body
  t.match(ready.certificates, [
    { id: 'c', state: 'expired', notAfterAtMs: Number },
    { id: 'a', state: 'valid' },
    { id: 'b', state: 'expiring' },
  ])
  const metric = async (line: RegExp) => line.test(String((await it.call('GET', '/metrics')).body))
  t.ok(await metric(/^sluice_certificates 3$/m))
  const { notAfterAtMs } = certificates[1]
  t.ok(
    await metric(
      RegExp(`^sluice_certificate_not_after_seconds{id="b"} ${notAfterAtMs / 1000}$`, 'm'),
    ),
  )
  await until(() => metric(/^sluice_certificate_files_refused 1$/m))
})

t.test('the command line puts, lists and deletes certificates', async (t) => {
  const it = await startCertified(t, { kind: 'njs' })
  const { home } = it.gateway
  const main = join(repository, 'cli/main.ts')
  const sluice = async (...args: string[]): Promise<{ code: number; out: string }> => {
    const words = [...nodeArguments(main), 'certificates', ...args, '--home', home]
    return run(process.execPath, words, { cwd: repository }).then(
      ({ stdout }) => ({ code: 0, out: stdout }),
      ({ code, stderr }: { code: number; stderr: string }) => ({ code, out: stderr }),
    )
  }
  const { certificate, privateKey } = await authority.issue(['a.test', '*.a.test'])
  const [cert, key] = [join(files, 'a.crt'), join(files, 'a.key')]
  writeFileSync(cert, certificate)
  writeFileSync(key, privateKey)
  const pair = ['--certificate', cert, '--key', key]
  t.match(await sluice('put', 'a', ...pair), {
    code: 0,
    out: 'a is shown to clients that ask for a.test *.a.test\n',
  })
  t.match(await it.shake('x.a.test', authority.pem), { distrust: undefined })
  t.match(await sluice('put', 'a', ...pair, '--default'), { code: 0, out: /\(default\)/ })
  t.match(await it.shake('nobody.test'), { fingerprint: (await it.shake('a.test')).fingerprint })
  t.match(await sluice(), {
    code: 0,
    out: /^a +a\.test \*\.a\.test \(default\) +ec prime256v1 +valid +\d{4}-\d\d-\d\d$/m,
  })
  t.match(await sluice('put', 'a', '--certificate', cert), { code: 2, out: /--key/ })
  t.match(await sluice('put', 'a', '--certificate', `${cert}x`, '--key', key), {
    code: 1,
    out: /--certificate: ENOENT/,
  })
  t.match(await sluice('put', 'a', '--certificate', key, '--key', key), {
    code: 1,
    out: /certificate holds a PRIVATE KEY/,
  })
  t.match(await sluice('show', 'a'), { code: 2, out: /put <id> \| delete <id>/ })
  t.match(await sluice('delete', 'a'), { code: 0 })
  t.match(await sluice('delete', 'a'), { code: 1, out: /there is no certificate a/ })
})
