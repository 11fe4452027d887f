/**
 * Certificates from files: certbot's, renewed by the real moves, and what happens when the files
 * are not as they should be.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeLogger } from '../../../runtime/logger.js'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import type { Pem, CertificateOptions } from '../../../lab/engines/certificates.js'
import { startCertified } from '../../support/certified.js'
import type { Certified } from '../../support/certified.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const authority = await makeAuthority(temporaryFolder(t, 'ca'))
const issue = (name: string, wish?: CertificateOptions) => authority.issue([name], wish)

/** As tools that know no better write them, one after the other. */
function write(folder: string, name: string, { certificate, privateKey }: Pem): void {
  writeFileSync(join(folder, `${name}.crt`), certificate)
  writeFileSync(join(folder, `${name}.key`), privateKey, { mode: 0o600 })
}

/** certbot's layout: links in `live` to numbered files in `archive`. */
function certbot(folder: string, name: string, { certificate, privateKey }: Pem, n: number): void {
  const live = join(folder, 'live', name)
  mkdirSync(live, { recursive: true })
  mkdirSync(join(folder, 'archive', name), { recursive: true })
  for (const [file, text] of Object.entries({ fullchain: certificate, privkey: privateKey })) {
    writeFileSync(join(folder, 'archive', name, `${file}${n}.pem`), text)
    symlinkSync(`../../archive/${name}/${file}${n}.pem`, join(live, `${file}.new`))
    renameSync(join(live, `${file}.new`), join(live, `${file}.pem`))
  }
}

function trusted(it: Certified, name: string): Promise<boolean> {
  return it.shake(name, authority.pem).then(({ distrust }) => distrust === undefined)
}

async function fingerprintOf(it: Certified, id: string): Promise<string | undefined> {
  const { body } = await it.call('GET', '/v1/certificates')
  const { certificates } = body as { certificates: Array<{ id: string; fingerprint: string }> }
  return certificates.find((each) => each.id === id)?.fingerprint
}

t.test('certificates of a folder are served, renewed and removed', async (t) => {
  const folder = temporaryFolder(t, 'certificates')
  const said: string[] = []
  const log = makeLogger({ part: 'test', to: { write: (line) => void said.push(line) } })
  write(folder, 'app', await issue('app.test'))
  certbot(folder, 'web.test', await issue('web.test'), 1)
  writeFileSync(join(folder, 'app.issuer.crt'), authority.pem)
  const it = await startCertified(t, { kind: 'njs', log, settings: { certificates: folder } })
  const { workers } = await it.gateway.state()
  await until(async () => (await trusted(it, 'app.test')) && (await trusted(it, 'web.test')))
  t.same(
    (await it.call('GET', '/v1/certificates')).body.certificates.map(
      ({ id }: { id: string }) => id,
    ),
    ['folder/app', 'folder/web.test'],
  )

  t.test('a renewal as certbot makes it', async (t) => {
    const before = (await it.shake('web.test')).fingerprint
    certbot(folder, 'web.test', await issue('web.test'), 2)
    await until(async () => (await it.shake('web.test')).fingerprint !== before)
    t.ok(await trusted(it, 'web.test'))
    t.equal(await fingerprintOf(it, 'folder/web.test'), (await it.shake('web.test')).fingerprint)
  })

  t.test('what is broken is refused by name, and the last good one stays', async (t) => {
    const before = (await it.shake('app.test')).fingerprint
    const fresh = await issue('app.test')
    writeFileSync(join(folder, 'app.crt'), fresh.certificate)
    await until(() => said.some((line) => line.includes('is not the key of the certificate')))
    t.match(said.join(''), `${folder}/app.key`)
    t.equal((await it.shake('app.test')).fingerprint, before)
    rmSync(join(folder, 'app.crt'))
    await until(() => said.some((line) => /ENOENT.*app\.crt/.test(line)))
    t.equal((await it.shake('app.test')).fingerprint, before)
    write(folder, 'app', fresh)
    await until(async () => (await it.shake('app.test')).fingerprint !== before)
    t.ok(await trusted(it, 'app.test'))
  })

  t.test(
    'a broken file does not cost its name the certificate when the controller starts anew',
    async (t) => {
      const { fingerprint } = await it.shake('app.test')
      writeFileSync(join(folder, 'app.crt'), 'half of it')
      await it.stop()
      const from = said.length
      await it.start()
      await until(() => said.slice(from).some((line) => /app\.crt must be/.test(line)))
      await until(async () => (await fingerprintOf(it, 'folder/web.test')) !== undefined)
      t.equal((await it.shake('app.test')).fingerprint, fingerprint)
      write(folder, 'app', await issue('app.test'))
      await until(async () => (await fingerprintOf(it, 'folder/app')) !== undefined)
      await until(async () => (await it.shake('app.test')).fingerprint !== fingerprint)
      t.ok(await trusted(it, 'app.test'))
    },
  )

  t.test(
    'a certificate of the registry beside it: the one that is valid longer serves',
    async (t) => {
      const body = await issue('web.test', { days: 30 })
      const { fingerprint } = (await it.call('PUT', '/v1/certificates/web', body)).body
      t.equal((await it.shake('web.test')).fingerprint, fingerprint)
      await it.call('DELETE', '/v1/certificates/web')
      t.equal((await it.shake('web.test')).fingerprint, await fingerprintOf(it, 'folder/web.test'))
    },
  )

  t.test('what is removed is served no longer, unless all of it vanished', async (t) => {
    rmSync(join(folder, 'app.crt'))
    rmSync(join(folder, 'app.key'))
    await until(async () => !(await trusted(it, 'app.test')))
    renameSync(join(folder, 'live'), join(folder, 'away'))
    await until(() => said.some((line) => line.includes('is empty')))
    t.ok(await trusted(it, 'web.test'))
    renameSync(folder, `${folder}.away`)
    await until(() => said.some((line) => line.includes('cannot be read')))
    t.ok(await trusted(it, 'web.test'))
    renameSync(`${folder}.away`, folder)
  })
  t.same((await it.gateway.state()).workers, workers)
})

t.test('a default of the folder', async (t) => {
  const folder = temporaryFolder(t, 'certificates')
  const pem = await authority.issue(['IP:127.0.0.1'])
  write(folder, 'default', pem)
  const it = await startCertified(t, { kind: 'njs', settings: { certificates: folder } })
  await until(async () => (await fingerprintOf(it, 'folder/default')) !== undefined)
  const shown = await fingerprintOf(it, 'folder/default')
  await until(async () => (await it.shake('nobody.test')).fingerprint === shown)
  t.equal((await it.shake()).fingerprint, shown)
})

t.test('a folder that does not answer holds up nothing, and takes nothing away', async (t) => {
  const folder = temporaryFolder(t, 'certificates')
  write(folder, 'app', await issue('app.test'))
  const it = await startCertified(t, { kind: 'njs', settings: { certificates: folder } })
  await until(() => trusted(it, 'app.test'))
  await it.stop()
  // Whoever opens it to read waits for somebody who writes.
  rmSync(join(folder, 'app.key'))
  execFileSync('mkfifo', [join(folder, 'app.key')])
  await it.start()
  const body = await issue('web.test')
  t.match(await it.call('PUT', '/v1/certificates/web', body), { status: 201 })
  t.ok(await trusted(it, 'web.test'))
  t.ok(await trusted(it, 'app.test'), 'what the table has of it stays')
  t.match(await it.call('DELETE', '/v1/certificates/web'), { status: 200, body: { applied: true } })
  t.notOk(await trusted(it, 'web.test'), 'what the registry says counts at once')
  const fresh = await issue('app.test')
  writeFileSync(join(folder, 'app.crt'), fresh.certificate)
  // The reader that waits gets it.
  writeFileSync(join(folder, 'app.key'), fresh.privateKey)
  rmSync(join(folder, 'app.key'))
  write(folder, 'app', fresh)
  await until(async () => (await fingerprintOf(it, 'folder/app')) !== undefined)
  t.ok(await trusted(it, 'app.test'))
})
