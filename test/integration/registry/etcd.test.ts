/** etcd as the registry: kills, stalls, passwords, other stores. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import t, { type Test } from 'tap'
import { openEtcd } from '../../../registry/etcd/registry.js'
import type { EtcdOptions } from '../../../registry/etcd/registry.js'
import { versionProblem } from '../../../registry/etcd/version.js'
import type { PutOperation, Registry } from '../../../registry/registry.js'
import { pause } from '../../../runtime/retry.js'
import { silentLogger as log } from '../../../runtime/logger.js'
import type { Logger } from '../../../runtime/logger.js'
import {
  startEtcd,
  type Etcd,
  type EtcdServerOptions as Wanted,
} from '../../../lab/engines/etcd.js'
import { freePort } from '../../../lab/ports.js'
import { Recorder } from '../../support/registry-recorder.js'
import { noEtcdSettings } from '../../support/registry-subjects.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { TcpProxy } from '../../support/tcp-proxy.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)
// Each has an etcd of its own, and waits for most of its time.
t.jobs = 4

const ROOT = '/sluice/v1/main/'
const at = 'instances/web/'

function put(id: string, value = 'v', lease?: string): PutOperation {
  return { type: 'put', key: at + id, value, ...(lease !== undefined && { lease }) }
}

function open(t: Test, url: string, more: Partial<EtcdOptions> = {}): Registry {
  const registry = openEtcd({ url, cluster: 'main', settings: noEtcdSettings, log, ...more })
  t.teardown(() => registry.close())
  return registry
}

async function start(t: Test, wanted: Wanted = {}): Promise<Etcd> {
  const etcd = await startEtcd(wanted)
  t.teardown(() => etcd.stop())
  return etcd
}

async function between(t: Test, etcd: Etcd): Promise<TcpProxy> {
  const proxy = await TcpProxy.start(etcd.clientPort)
  t.teardown(() => proxy.stop())
  return proxy
}

const urlOf = ({ port }: { port: number }) => `etcd://127.0.0.1:${port}`

async function follow(registry: Registry, prefixes = ['instances/']): Promise<Recorder> {
  return new Recorder(registry, prefixes).whenOnline()
}

/** Commits as soon as it goes; a commit of which nobody knows is simply done again. */
function commit(registry: Registry, operations: PutOperation[]): Promise<{ revision: number }> {
  return until(() => registry.commit(operations), { deadlineMs: 20_000, what: 'a commit' })
}

const offline = (watch: Recorder, deadlineMs: number) =>
  until(() => !watch.online, { deadlineMs, what: 'word that etcd is away' })

t.test('etcd killed and started again: watch, lease and commits go on', async (t) => {
  const etcd = await start(t)
  const registry = open(t, urlOf({ port: etcd.clientPort }))
  const lease = await registry.grant({ ttlMs: 2000 })
  let lost = false
  void lease.lost.then(() => (lost = true))
  await registry.commit([put('a', '1', lease.id)])
  const watch = await follow(registry)
  await etcd.kill9()
  await offline(watch, 10_000)
  await t.rejects(registry.commit([put('b')]), { code: 'registry_unavailable' })
  await etcd.restart()
  await etcd.ctl('put', `${ROOT}${at}while-away`, 'w')
  const { revision } = await commit(registry, [put('c')])
  await watch.whenAt(revision)
  await watch.whenOnline()
  t.same(Object.keys(watch.values()), [`${at}a`, `${at}c`, `${at}while-away`])
  const other = await registry.grant({ ttlMs: 3000, keepAlive: false })
  await other.lost
  t.equal(lost, false, 'the lease is kept alive as before')
  t.ok(watch.known.has(`${at}a`))
  t.same(watch.faults, [])
  t.same(watch.listings.length, 1, 'nothing had to be listed again')
})

t.test('etcd stopped: noticed, deadlines hold, and back when it is let go', async (t) => {
  const etcd = await start(t)
  const registry = open(t, urlOf({ port: etcd.clientPort }))
  const { revision } = await registry.commit([put('a')])
  const watch = await follow(registry)
  t.teardown(() => etcd.sigcont())
  await etcd.sigstop()
  const startedAtMs = performance.now()
  const call = registry.commit([put('b')])
  await t.rejects(call, { code: 'registry_unavailable', message: /does not answer in time/ })
  await offline(watch, 15_000)
  t.comment(`noticed after ${Math.round(performance.now() - startedAtMs)} ms`)
  await t.rejects(registry.list(''), { code: 'registry_unavailable' })
  etcd.sigcont()
  await watch.whenOnline()
  const back = await commit(registry, [put('c')])
  await watch.whenAt(back.revision)
  t.ok(back.revision > revision)
  t.same(watch.faults, [])
})

t.test('a link that swallows everything is noticed and left', async (t) => {
  const etcd = await start(t)
  const proxy = await between(t, etcd)
  const registry = open(t, urlOf(proxy))
  const watch = await follow(registry)
  proxy.blackhole()
  const startedAtMs = performance.now()
  await etcd.ctl('put', `${ROOT}${at}unseen`, 'v')
  await offline(watch, 15_000)
  t.comment(`noticed after ${Math.round(performance.now() - startedAtMs)} ms`)
  // The old connections stay dead; only new ones work.
  proxy.reset()
  proxy.heal()
  await watch.whenAt(await etcd.revision())
  t.ok(watch.known.has(`${at}unseen`))
  t.same(watch.faults, [])
})

t.test('compaction during an outage: listed again, nothing missed', async (t) => {
  const etcd = await start(t)
  const proxy = await between(t, etcd)
  const registry = open(t, urlOf(proxy))
  const direct = open(t, urlOf({ port: etcd.clientPort }))
  await registry.commit([put('stays'), put('goes')])
  const watch = await follow(registry)
  proxy.cut()
  await offline(watch, 10_000)
  for (let i = 0; i < 100; i++) {
    await direct.commit([put(`n${i}`, `${i}`)])
  }
  const { revision } = await direct.commit([{ type: 'delete', key: `${at}goes` }])
  await etcd.compact()
  proxy.heal()
  await watch.whenAt(revision)
  t.equal(watch.listings.length, 2)
  t.equal(watch.listings[1]?.restored, false, 'the same store as before')
  t.equal(watch.known.size, 101)
  t.notOk(watch.known.has(`${at}goes`))
  await watch.whenOnline()
  const after = await registry.commit([put('after')])
  await watch.whenAt(after.revision)
  t.same(watch.faults, [])
})

t.test('cut as soon as the watch stands, 20 times: no update is lost', async (t) => {
  const etcd = await start(t)
  const proxy = await between(t, etcd)
  const direct = open(t, urlOf({ port: etcd.clientPort }))
  const registry = open(t, urlOf(proxy))
  let armed = false
  const seen: string[] = []
  let listings = 0
  const watch = registry.watch(['instances/'], {
    onListing: () => (listings += 1),
    onChanges: (changes) => seen.push(...changes.map(({ key }) => key)),
    onConnected: (connected) => {
      // In the very turn in which the "created" reply is read: what comes behind it is gone.
      if (!connected || !armed) {
        return
      }
      armed = false
      proxy.cut()
    },
  })
  await until(() => listings === 1)
  const expected: string[] = []
  for (let round = 1; round <= 20; round++) {
    proxy.cut()
    const written = Array.from({ length: 5 }, (_, i) => put(`r${round}-${i}`))
    for (const operation of written) {
      await direct.commit([operation])
    }
    expected.push(...written.map(({ key }) => key))
    armed = true
    proxy.heal()
    await until(() => !armed, { deadlineMs: 10_000, what: 'a watch that stands' })
  }
  proxy.heal()
  await until(() => seen.length >= expected.length, { deadlineMs: 20_000, what: 'all updates' })
  t.same(seen, expected, 'each once, in order')
  t.equal(listings, 1)
  await watch.close()
})

t.test('passwords: tokens gone with a restart, and a wrong one', async (t) => {
  const etcd = await start(t, { auth: true })
  const url = urlOf({ port: etcd.clientPort })
  const settings = { ...noEtcdSettings, ...etcd.auth }
  const registry = open(t, url, { settings })
  // Long enough for three restarts on a busy machine.
  const lease = await registry.grant({ ttlMs: 60_000 })
  await registry.commit([put('a', '1', lease.id)])
  const watch = await follow(registry)
  for (let round = 0; round < 3; round++) {
    await etcd.restart()
    const { revision } = await commit(registry, [put(`b${round}`)])
    await watch.whenAt(revision)
    await watch.whenOnline()
  }
  await lease.renew()
  t.same(watch.faults, [])
  t.equal(watch.known.size, 4)

  const passwordFile = join(temporaryFolder(t, 'password'), 'password')
  writeFileSync(passwordFile, `${settings.password}\n`)
  const rotated = open(t, url, { settings: { ...settings, passwordFile } })
  await rotated.list('')
  writeFileSync(passwordFile, 'rotated\n')
  await etcd.ctl('user', 'delete', 'sluice')
  await etcd.ctl('user', 'add', 'sluice:rotated')
  await etcd.ctl('user', 'grant-role', 'sluice', 'sluice')
  await until(() => rotated.list('').then(Boolean, () => false), {
    what: 'the new password of the file',
  })

  const wrong = open(t, url, { settings: { ...settings, password: 'guess' } })
  await t.rejects(wrong.list(''), {
    code: 'registry_unavailable',
    message: /refuses user sluice: wrong user name or password/,
  })
  const recorder = new Recorder(wrong, [''])
  await until(() => recorder.connected.length > 0)
  t.match(recorder.connected, [{ connected: false, reason: /wrong user name or password/ }])
  await etcd.ctl('user', 'add', 'stranger:pass')
  const auth = { username: 'stranger', password: 'pass' }
  const nobody = open(t, url)
  const stranger = open(t, url, { settings: { ...noEtcdSettings, ...auth } })
  await Promise.all([
    t.rejects(nobody.list(''), { message: /wants a user name and a password/ }),
    t.rejects(stranger.list(''), { message: /does not permit it to user stranger/ }),
  ])
})

t.test('etcd is reached over TLS with a client certificate, also after its restart', async (t) => {
  const etcd = await start(t, { tls: true })
  const { ca, client } = etcd.certificates ?? {}
  const url = `etcds://127.0.0.1:${etcd.clientPort}`
  const settings = { ...noEtcdSettings, ca, certificate: client?.cert, key: client?.key }
  const registry = open(t, url, { settings })
  const watch = await follow(registry)
  const { revision } = await registry.commit([put('a')])
  await watch.whenAt(revision)
  await etcd.restart()
  const again = await commit(registry, [put('b')])
  await watch.whenAt(again.revision)
  t.same(watch.faults, [])

  const without = open(t, url, { settings: { ...noEtcdSettings, ca } })
  const distrusting = open(t, url)
  const missing = open(t, url, { settings: { ...settings, ca: '/nowhere/ca.pem' } })
  await Promise.all([
    t.rejects(without.list(''), { code: 'registry_unavailable' }),
    t.rejects(distrusting.list(''), { code: 'registry_unavailable', message: /certificate/ }),
    t.rejects(missing.list(''), { message: /\/nowhere\/ca.pem, given for etcd, cannot be read/ }),
  ])
})

t.test('an etcd whose space is used up is named as that, once, until it is not', async (t) => {
  const etcd = await start(t, { quotaBytes: 16 * 1024 * 1024 })
  const lines: string[] = []
  const note = (_facts: object, text: string) => void lines.push(text)
  const loud = { ...log, error: note, warn: note } as typeof log
  const registry = open(t, urlOf({ port: etcd.clientPort }), { log: loud })
  const watch = await follow(registry)
  t.equal(registry.writeProblem(), undefined)
  const fill = async () => {
    for (let i = 0; ; i++) {
      await registry.commit([put('big', String(i % 10).repeat(1_000_000))])
    }
  }
  await t.rejects(fill(), { code: 'registry_unavailable', message: /NOSPACE|space exceeded/ })
  await until(() => registry.writeProblem() !== undefined, { deadlineMs: 15_000 })
  t.match(registry.writeProblem(), /quota allows \(NOSPACE\)/)
  t.equal((await registry.list('')).entries.length, 1, 'it can be read all the same')
  t.ok(watch.connected.at(-1), 'and counts as connected')
  // A connection that was closed under a watch shows when it is pinged, after 5.5 s.
  const endsAtMs = Date.now() + 6500
  while (Date.now() < endsAtMs) {
    await t.rejects(registry.commit([put('more')]), { code: 'registry_unavailable' })
    await pause(500)
  }
  t.same(
    lines.filter((line) => line === 'etcd is out of reach'),
    [],
    'its refusals close no connection',
  )
  await etcd.compact()
  await etcd.ctl('defrag')
  await etcd.ctl('alarm', 'disarm')
  await commit(registry, [put('small')])
  await until(() => registry.writeProblem() === undefined, { deadlineMs: 15_000 })
  t.equal(lines.filter((line) => line === 'etcd raised an alarm').length, 1)
})

t.test('another store than before is reported as such', async (t) => {
  const etcd = await start(t)
  const registry = open(t, urlOf({ port: etcd.clientPort }), { auditMs: 1000 })
  for (const id of ['a', 'b', 'c', 'd']) {
    await registry.commit([put(id)])
  }
  const watch = await follow(registry)

  t.test('a wiped store is listed as another one', async (t) => {
    await etcd.wipe()
    await until(() => watch.listings.length > 1, { deadlineMs: 20_000, what: 'a new listing' })
    t.match(watch.listings.at(-1), { restored: true, keys: [] })
    await watch.whenOnline()
    const { revision } = await commit(registry, [put('new')])
    await until(() => watch.known.has(`${at}new`), { what: `the change at ${revision}` })
    t.same(Object.keys(watch.values()), [`${at}new`])
  })

  t.test('wiped, and written to until its revision is above the one known', async (t) => {
    const known = watch.revision
    const before = watch.listings.length
    await etcd.wipe()
    for (let i = 0; i < known + 5; i++) {
      await etcd.ctl('put', `${ROOT}${at}x${i % 3}`, `${i}`)
    }
    await until(() => watch.listings.slice(before).some(({ restored }) => restored), {
      deadlineMs: 20_000,
      what: 'a listing of the other store',
    })
    await until(
      () => Object.keys(watch.values()).join() === ['x0', 'x1', 'x2'].map((id) => at + id).join(),
    )
    t.pass('what it holds is known')
  })
})

t.test('10,000 keys of 500 bytes: listed, and a backlog of as many', async (t) => {
  const etcd = await start(t)
  const proxy = await between(t, etcd)
  const direct = open(t, urlOf({ port: etcd.clientPort }))
  const registry = open(t, urlOf(proxy))
  const fill = async (value: string) => {
    for (let i = 0; i < 10; i++) {
      const keys = Array.from(
        { length: 1000 },
        (_, j) => `k${String(i * 1000 + j).padStart(5, '0')}`,
      )
      await direct.commit(keys.map((key) => put(key, value)))
    }
    return (await direct.list('none/')).revision
  }
  const revision = await fill('a'.repeat(500))
  const startedAtMs = performance.now()
  const { entries } = await registry.list(at)
  t.comment(`listed in ${Math.round(performance.now() - startedAtMs)} ms`)
  t.equal(entries.length, 10_000)
  t.ok(
    entries.every(({ key }, i) => i === 0 || (entries[i - 1]?.key ?? '') < key),
    'by key',
  )
  const watch = await follow(registry)
  t.ok(watch.revision >= revision)
  proxy.cut()
  await offline(watch, 10_000)
  const later = await fill('b'.repeat(500))
  proxy.heal()
  await watch.whenAt(later, 30_000)
  t.equal(watch.changes.length, 10_000, 'each change came')
  t.same(watch.calls.filter((call) => call.length % 1000 !== 0).length, 0, 'no commit in pieces')
  t.equal(watch.listings.length, 1)
  t.same(watch.faults, [])
  await t.rejects(direct.commit(Array.from({ length: 5000 }, (_, i) => put(`m${i}`))), {
    code: 'too_large',
    message: /at most 4096/,
  })
  await t.rejects(direct.commit([put('huge', 'x'.repeat(2_000_000))]), { code: 'too_large' })
})

t.test('of two endpoints one is enough, and the next is taken when it goes', async (t) => {
  const etcd = await start(t)
  const [first, second] = [await between(t, etcd), await between(t, etcd)]
  const dead = await freePort()
  const hosts = [dead, first.port, second.port].map((port) => `127.0.0.1:${port}`)
  const registry = open(t, `etcd://${hosts.join(',')}`)
  const watch = await follow(registry)
  await registry.commit([put('a')])
  for (const proxy of [first, second]) {
    proxy.cut()
    const { revision } = await commit(registry, [put('b')])
    await watch.whenAt(revision)
    proxy.heal()
  }
  t.same(watch.faults, [])
  t.equal(watch.listings.length, 1)
})

t.test('a slow link is slow, and nothing else', async (t) => {
  const etcd = await start(t)
  const proxy = await between(t, etcd)
  const registry = open(t, urlOf(proxy))
  const watch = await follow(registry)
  proxy.delay(150)
  let last = 0
  for (let i = 0; i < 5; i++) {
    last = (await registry.commit([put(`k${i}`)])).revision
  }
  await watch.whenAt(last)
  t.ok(watch.connected.every(({ connected }) => connected))
  t.same(watch.faults, [])
})

t.test('what is marked gone, or has no lease, was deleted on purpose', async (t) => {
  const etcd = await start(t)
  const registry = open(t, urlOf({ port: etcd.clientPort }))
  const { id: lease } = await registry.grant({ ttlMs: 60_000 })
  const keys = ['marked', 'lost', 'listed', 'plain']
  const first = await registry.commit([put('listed', '{}'), { ...put('moved', '{}'), lease }])
  const watch = await follow(registry)
  await watch.whenAt(first.revision)
  const gone = JSON.stringify({ gone: true })
  await registry.commit([
    ...[
      { ...put('marked', gone), lease },
      { ...put('lost', '{}'), lease },
    ],
    ...[put('plain', '{}'), put('moved', '{}')],
  ])
  const deletes = [...keys, 'moved'].map((key) => ({ type: 'delete' as const, key: at + key }))
  const { revision } = await registry.commit(deletes)
  await watch.whenAt(revision)
  const deletions = watch.changes.flatMap((change): Array<[string, boolean | undefined]> => {
    return change.type === 'delete' ? [[change.key.slice(at.length), change.expired]] : []
  })
  t.same(Object.fromEntries(deletions), {
    ...{ marked: false, lost: undefined, listed: false, plain: false, moved: false },
  })
})

t.test('an old etcd is pointed out, once for each connection', async (t) => {
  const etcd = await start(t)
  const warnings: unknown[][] = []
  const listening = { ...log, warn: (...words: unknown[]) => warnings.push(words) }
  const words = await etcd.ctl('version')
  const registry = open(t, urlOf({ port: etcd.clientPort }), {
    log: listening as unknown as Logger,
  })
  await registry.list('')
  const version = /version: (\S+)/.exec(words)?.[1] ?? ''
  const expected = versionProblem(version) === null ? 0 : 1
  await until(() => warnings.length === expected)
  t.match(warnings, expected === 0 ? [] : [[{ version }, 'etcd is old']])
})
