// File mode: an nginx without njs, led by files and reloads.
import { execFile } from 'node:child_process'
import {
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { Controller } from '../../../controller/controller.js'
import { runController } from '../../../controller/main.js'
import { openEmbedded } from '../../../registry/embedded/registry.js'
import { silentLogger } from '../../../runtime/logger.js'
import { ask } from '../../../lab/ask.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { filePlace, instance, startFileMode, startPlain } from '../../support/file-mode.js'
import { freePort } from '../../../lab/ports.js'
import { smallDisk } from '../../support/small-disk.js'
import { until } from '../../../lab/until.js'

const run = promisify(execFile)

t.test('files, checks, reloads; a failed reload keeps the old file', async (t) => {
  const { settings, home, port, conf, nginx, file } = await filePlace(t)
  const [a, b] = [await startBackend(t, 'a'), await startBackend(t, 'b')]
  const registry = await openEmbedded({ folder: join(home, 'registry'), log: silentLogger })
  await startPlain(t, nginx, conf, home)
  const { revision } = await registry.commit([instance('web', 'a', a.port)])
  const controller = await Controller.make({ settings, registry, log: silentLogger })
  controller.start()
  t.teardown(async () => {
    await controller.close()
    await registry.close()
  })
  await until(() => controller.ready(), { deadlineMs: 60_000, what: 'the controller to be ready' })
  t.same(await controller.whenApplied(revision, 1000), [])
  const who = async () => {
    const answer = await ask({
      port,
      path: '/',
      headers: { host: 'web.localhost', 'x-forwarded-for': '9.9.9.9' },
    })
    return answer.json as { id: string; headers: Record<string, string> }
  }
  await until(async () => (await who()).id === 'a')
  const first = await who()
  t.match(first.headers, {
    host: 'web.localhost',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
  })
  const reloads = () => readFileSync(join(home, 'reloads'), 'utf8').trim().split('\n').length
  t.equal(reloads(), 1)
  await registry.commit([{ type: 'put', key: 'upstreams/web', value: '{}' }])
  await until(() => controller.gateways()[0]?.applied === controller.desired().revision)
  t.equal(reloads(), 1, 'nothing that nginx reads has changed')

  const old = readFileSync(file, 'utf8')
  writeFileSync(conf, readFileSync(conf, 'utf8').replace('events {}', 'events {} broken'))
  await registry.commit([instance('web', 'b', b.port), { type: 'delete', key: 'instances/web/a' }])
  await until(() => controller.gateways()[0]?.reason?.includes('reload command failed'))
  await until(() => readFileSync(file, 'utf8') === old)
  t.equal((await who()).id, 'a')
  writeFileSync(conf, readFileSync(conf, 'utf8').replace(' broken', ''))
  await until(async () => (await who()).id === 'b')
  t.same(await controller.active('web', ['b']), [undefined])
})

t.test('a port that is taken: not applied until nginx has it', async (t) => {
  const given = await filePlace(t)
  const { conf, port, nginx } = given
  const command = `${nginx} -c ${conf} -s reload`
  const { commit, controller, own, isLevel } = await startFileMode(t, given, {
    reloadCommand: command,
  })
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  t.teardown(() => taken.close())
  const { port: other } = taken.address() as AddressInfo
  const text = readFileSync(conf, 'utf8')
  writeFileSync(conf, text.replace(/}$/, `server { listen 127.0.0.1:${other}; } }`))
  const { revision } = await commit(instance('web', 'b', 10))
  const reason = new RegExp(`goes on with the configuration before: .*:${other} failed`)
  await until(() => reason.test(own()?.reason ?? ''), { deadlineMs: 60_000 })
  t.match(await controller.whenApplied(revision, 0), [{ reason }])
  t.notOk(isLevel())
  t.match(controller.findings(), [{ code: 'configuration_refused' }])
  t.equal((await ask({ port, path: '/', headers: { host: 'x' } })).status, 404, 'it serves on')
  taken.close()
  await until(isLevel, { deadlineMs: 60_000, what: 'another try' })
  t.same(await controller.whenApplied(revision, 0), [])
})

t.test('an include that is bad: not applied by a signal either', async (t) => {
  const given = await filePlace(t)
  const { home, conf, file } = given
  const more = { reloadCommand: undefined }
  const { commit, own, isLevel } = await startFileMode(t, given, more)
  const old = readFileSync(file, 'utf8')
  const text = readFileSync(conf, 'utf8')
  writeFileSync(join(home, 'bad.conf'), 'nonsense;')
  writeFileSync(conf, text.replace('access_log off;', `access_log off; include ${home}/bad.conf;`))
  await commit(instance('web', 'b', 10))
  await until(() => /unknown directive "nonsense"/.test(own()?.reason ?? ''))
  t.notOk(isLevel())
  await until(() => readFileSync(file, 'utf8') === old, { what: 'the old file in its place' })
  rmSync(join(home, 'bad.conf'))
  writeFileSync(join(home, 'bad.conf'), '')
  await until(isLevel, { deadlineMs: 60_000, what: 'another try' })
})

t.test('a disk that is full costs nothing of the file before', async (t) => {
  const given = await filePlace(t)
  const { conf, file, nginx } = given
  const folder = dirname(file)
  await smallDisk(t, folder, 65_536)
  const more = join(folder, 'more')
  // Whatever gets free, others take at once.
  const fillAgain = `! [ -e ${more} ] || head -c 100000 /dev/zero >>${more} 2>/dev/null`
  const reloadCommand = `${fillAgain}; ${nginx} -c ${conf} -s reload`
  const { commit, controller, own, isLevel } = await startFileMode(t, given, { reloadCommand })
  const old = readFileSync(file, 'utf8')
  const fill = () => t.throws(() => writeFileSync(more, Buffer.alloc(1e6)), { code: 'ENOSPC' })
  fill()
  const { revision } = await commit(instance('web', 'b', 10))
  const reason = /ENOSPC: no space left on device.* \(\S+fallback\)/
  await until(() => reason.test(own()?.reason ?? ''))
  t.match(await controller.whenApplied(revision, 0), [{ reason }])
  t.match(controller.findings(), [{ code: 'configuration_refused', message: reason }])
  t.equal(readFileSync(file, 'utf8'), old)

  // There is room for the new file, and for no other.
  const text = readFileSync(conf, 'utf8')
  writeFileSync(conf, text.replace('events {}', 'events {} broken'))
  truncateSync(more, statSync(more).size - 4096)
  await until(() => own()?.reason?.includes('reload command failed'), { deadlineMs: 40_000 })
  await until(() => readFileSync(file, 'utf8') === old, { what: 'the old file in its place' })
  writeFileSync(conf, text)
  await until(isLevel, { deadlineMs: 60_000, what: 'another try' })
  t.match(readFileSync(file, 'utf8'), /127\.0\.0\.1:10/)
  t.same(await controller.whenApplied(revision, 0), [])
  t.same(readdirSync(folder).sort(), ['more', basename(file)])
})

t.test(
  'nothing but the file is where nginx reads, with the permissions that are set',
  async (t) => {
    const given = await filePlace(t)
    const { home, file } = given
    const folder = join(home, 'fallback')
    writeFileSync(`${file}.applied`, 'of before')
    writeFileSync(`${file}.previous`, 'of before')
    // Only root may give files away.
    const isRoot = process.getuid?.() === 0
    const [uid, gid] = isRoot ? [65_533, 65_532] : [process.getuid?.(), process.getgid?.()]
    const access = { mode: 0o604, uid, gid }
    const { commit, isLevel } = await startFileMode(t, given, { access })
    await commit(instance('web', 'b', 10))
    await until(isLevel, { deadlineMs: 60_000, what: 'it to be level' })
    t.same(readdirSync(folder), ['sluice-upstreams.conf'])
    const there = statSync(file)
    t.match({ ...there, mode: there.mode & 0o777 }, access)
    t.same(readdirSync(join(home, 'file-mode')).sort(), [
      'sluice-upstreams.conf.applied',
      'sluice-upstreams.conf.previous',
    ])
  },
)

t.test('onetime ends after the first success, and a second one reloads nothing', async (t) => {
  const { settings, home, conf, nginx, file } = await filePlace(t)
  const registry = await openEmbedded({ folder: join(home, 'registry'), log: silentLogger })
  await registry.commit([instance('web', 'a', 9)])
  await registry.close()
  await startPlain(t, nginx, conf, home)
  const once = {
    ...settings,
    file: { ...settings.file, reloadCommand: undefined, onetime: true },
  }
  await runController(once)
  t.match(readFileSync(file, 'utf8'), /server 127\.0\.0\.1:9;/)
  await run(nginx, ['-t', '-c', conf])
  const { mtimeMs } = statSync(file)
  await runController(once)
  t.equal(statSync(file).mtimeMs, mtimeMs)
})

t.test('onetime that is stopped before its success says so', async (t) => {
  const { settings, home } = await filePlace(t)
  const registry = await openEmbedded({ folder: join(home, 'registry'), log: silentLogger })
  await registry.commit([instance('web', 'a', 9)])
  await registry.close()
  const ended = runController({
    ...settings,
    file: { ...settings.file, reloadCommand: `touch ${home}/tried; false`, onetime: true },
  })
  const refused = t.rejects(ended, { message: /SIGTERM before the file was written/ })
  await until(() => existsSync(join(home, 'tried')))
  process.emit('SIGTERM')
  await refused
})

t.test('the process ends on SIGTERM, in time, with all closed', async (t) => {
  const { settings, home } = await filePlace(t)
  const ended = runController({
    ...settings,
    mode: 'gateway',
    apiPort: await freePort(),
    poolPort: await freePort(),
  })
  await until(() => existsSync(join(home, 'api.sock')))
  await until(
    async () =>
      (await ask({ socketPath: join(home, 'api.sock'), path: '/metrics' })).status === 200,
  )
  const page = await ask({ socketPath: join(home, 'api.sock'), path: '/metrics' })
  t.match(page.body, /sluice_registry_connected 1/)
  process.emit('SIGTERM')
  await ended
  const again = await openEmbedded({ folder: join(home, 'registry'), log: silentLogger })
  await again.close()
})
