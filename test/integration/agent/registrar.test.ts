/** The registrar and a real registry, in process and through a controller. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LeaseMemo } from '../../../agent/register/lease-memo.js'
import { agentRoutePrefix } from '../../../runtime/agent-routes.js'
import type { Contested } from '../../../agent/plan/host-claims.js'
import { SettingsMemo } from '../../../agent/register/settings-memo.js'
import { Registrar } from '../../../agent/register/registrar.js'
import type { RegistrarOptions } from '../../../agent/register/registrar.js'
import { openEmbedded } from '../../../registry/embedded/registry.js'
import { openHttp } from '../../../registry/http/registry.js'
import type { Change, Registry, RegistryOperation } from '../../../registry/registry.js'
import { silentLogger as log } from '../../../runtime/logger.js'
import { serveRegistry, TOKEN } from '../../support/registry-subjects.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

const AGENT = 'node-1'
const TTL_MS = 60_000

const value = (weight = 1) => JSON.stringify({ host: '10.0.0.1', port: 80, weight, agent: AGENT })
const WEB = 'instances/web/node-1:a:80'
const API = 'instances/api/node-1:b:80'
const HOST = `hosts/${AGENT}`
const ROUTE = `routes/${agentRoutePrefix(AGENT)}1`

interface Rig {
  registry: Registry
  changes: Change[]
  /** Another life of the agent, with the same home. */
  start: (through?: Registry, more?: Partial<RegistrarOptions>) => Registrar
  memo: LeaseMemo
  keys: () => Promise<string[]>
}

async function rig(t: Test, { ttlMs = TTL_MS } = {}): Promise<Rig> {
  const folder = temporaryFolder(t)
  const registry = await openEmbedded({ folder: join(folder, 'registry'), log })
  const changes: Change[] = []
  const memo = new LeaseMemo(join(folder, 'agent-lease.json'), 'scope', log)
  const running: Registrar[] = []
  registry.watch([''], {
    onListing: () => undefined,
    onChanges: (some) => changes.push(...some),
    onConnected: () => undefined,
  })
  t.teardown(async () => {
    await Promise.all(running.map((registrar) => registrar.stop()))
    await registry.close()
  })
  return {
    registry,
    changes,
    start: (through = registry, more = {}) => {
      const options = { registry: through, agent: AGENT, ttlMs, memo, log, resyncMs: 50 }
      const registrar = new Registrar({ ...options, ...more })
      running.push(registrar)
      return registrar
    },
    memo,
    keys: async () => (await registry.list('')).entries.map(({ key }) => key),
  }
}

const entries = (...keys: string[]) => new Map(keys.map((key) => [key, value()]))

t.test('puts what is wanted, and removes with a farewell', async (t) => {
  const { registry, start, keys, changes } = await rig(t)
  const registrar = start()
  t.same([...(await registrar.start())], [], 'nothing of ours was there')
  registrar.want(entries(WEB, API, HOST, ROUTE))
  await until(async () => (await keys()).length === 4)
  registrar.want(entries(WEB, HOST))
  await until(async () => (await keys()).length === 2)
  const [gone, deleted] = changes.filter(({ key }) => key === API).slice(-2)
  t.match(gone, { type: 'put', value: /"gone":true/ })
  t.match(deleted, { type: 'delete', expired: false })
  t.equal((await registry.list(API)).entries.length, 0)
})

t.test('a restart takes the lease up and writes nothing', async (t) => {
  const { start, keys, changes } = await rig(t)
  const first = start()
  await first.start()
  first.want(entries(WEB, HOST))
  await until(async () => (await keys()).length === 2)
  await first.stop()
  const before = changes.length
  const second = start()
  t.same([...(await second.start()).keys()].sort(), [HOST, WEB])
  second.want(entries(WEB, HOST))
  second.want(entries(WEB, API, HOST))
  await until(async () => (await keys()).includes(API))
  t.same(
    changes.slice(before).map(({ type, key }) => `${type} ${key}`),
    [`put ${API}`],
  )
})

t.test('a restart that lost its lease puts everything again and removes nothing', async (t) => {
  const { start, memo, keys, changes, registry } = await rig(t)
  const first = start()
  await first.start()
  first.want(entries(WEB, API, HOST))
  await until(async () => (await keys()).length === 3)
  await first.stop()
  await memo.forget()
  const second = start()
  const own = await second.start()
  t.same([...own.keys()].sort(), [HOST, API, WEB], 'before it knows what it wants')
  second.want(entries(WEB, HOST))
  await until(async () => (await keys()).length === 2)
  const removed = changes.filter(({ type }) => type === 'delete').map(({ key }) => key)
  t.same(removed, [API], 'but what is not wanted any more')
  t.equal((await registry.list(WEB)).entries.length, 1)
})

t.test('a lease that is lost is taken anew, with all that stood under it', async (t) => {
  const { registry, start, memo, keys } = await rig(t, { ttlMs: 2000 })
  const registrar = start()
  await registrar.start()
  registrar.want(entries(WEB, HOST, ROUTE))
  await until(async () => (await keys()).length === 3)
  // Somebody ends all leases there are: what an operator of etcd can do.
  const held = await until(() => memo.read())
  const lease = await registry.adopt(held, { ttlMs: 2000 })
  await lease.revoke()
  await until(async () => (await keys()).length === 3, { what: 'all of it back' })
  const next = await until(() => memo.read())
  t.not(next, held)
})

t.test('what vanished, or was changed by somebody else, is put right', async (t) => {
  const { registry, start, keys } = await rig(t)
  const registrar = start()
  await registrar.start()
  registrar.want(entries(WEB, HOST))
  await until(async () => (await keys()).length === 2)
  await registry.commit([{ type: 'delete', key: WEB }])
  await until(async () => (await keys()).length === 2)
  await registry.commit([{ type: 'put', key: WEB, value: value(7) }])
  await until(async () => (await registry.list(WEB)).entries[0]?.value === value())
})

t.test('a key of somebody else stays theirs until they let it go', async (t) => {
  const { registry, start, keys } = await rig(t)
  const theirs = JSON.stringify({ host: '10.0.0.2', port: 80, weight: 1, agent: 'node-2' })
  const registrar = start()
  await registrar.start()
  await registry.commit([{ type: 'put', key: WEB, value: theirs }])
  registrar.want(entries(WEB, API, HOST))
  await until(async () => (await keys()).includes(API), { what: 'the others go on' })
  t.equal((await registry.list(WEB)).entries[0]?.value, theirs)
  registrar.want(entries(HOST))
  await until(async () => !(await keys()).includes(API))
  t.equal((await registry.list(WEB)).entries[0]?.value, theirs, 'nor is it removed')
  registrar.want(entries(WEB, HOST))
  await registry.commit([{ type: 'delete', key: WEB }])
  await until(async () => (await registry.list(WEB)).entries[0]?.value === value())
})

t.test('the registry is read again though something is wanted all the time', async (t) => {
  const { registry, start, keys } = await rig(t)
  const registrar = start(registry, { resyncMs: 300 })
  await registrar.start()
  registrar.want(entries(WEB, HOST))
  const engine = setInterval(() => registrar.want(entries(WEB, HOST)), 20)
  t.teardown(() => clearInterval(engine))
  await until(async () => (await keys()).length === 2)
  await registry.commit([{ type: 'delete', key: WEB }])
  await until(async () => (await keys()).length === 2, { what: 'the deleted key' })
})

t.test('a service that moves to another host while both have it is there afterwards', async (t) => {
  const { registry, start, keys } = await rig(t)
  const moved = 'instances/web/by-its-service-id'
  const other = { agent: 'node-2', memo: new LeaseMemo(join(temporaryFolder(t), 'x'), 's', log) }
  const here = start(registry, { resyncMs: 60_000 })
  const there = start(registry, { ...other, resyncMs: 60_000 })
  await Promise.all([here.start(), there.start()])
  here.want(entries(moved))
  await until(async () => (await keys()).length === 1)
  const theirs = value().replace(AGENT, 'node-2')
  there.want(new Map([[moved, theirs]]))
  here.want(new Map())
  const isMoved = async () => (await registry.list(moved)).entries[0]?.value === theirs
  await until(isMoved, { what: 'the other host to have it' })
})

t.test('another machine with the same id registers nothing, and says so', async (t) => {
  const { registry, start, keys, changes } = await rig(t)
  const presence = (owner: string) => ({ owner, boot: `boot of ${owner}` })
  const hostOf = (owner: string) =>
    JSON.stringify({ address: '', containers: 1, ...presence(owner) })
  const first = start(registry, { identity: presence('one') })
  await first.start()
  first.want(new Map([...entries(WEB), [HOST, hostOf('one')]]))
  await until(async () => (await keys()).length === 2)
  const before = changes.length

  const said: string[] = []
  const loud = { ...log, error: (fields: { reason: string }) => said.push(fields.reason) }
  const memo = new LeaseMemo(join(temporaryFolder(t), 'x'), 's', log)
  const options = { identity: presence('two'), memo, log: loud as unknown as typeof log }
  const second = start(registry, options)
  void second.start()
  second.want(new Map([...entries(API), [HOST, hostOf('two')]]))
  await until(() => said.length > 0, { what: 'the refusal' })
  t.match(said[0], /agent node-1 is another machine already.*SLUICE_AGENT_ID/)
  t.same(changes.slice(before), [], "and touches nothing of the other's")

  first.want(new Map())
  await until(async () => (await keys()).includes(API), { what: 'the second, once the id is free' })
})

t.test('two hosts want one name: who is up has it, and among those who had it first', async (t) => {
  const { registry, start } = await rig(t)
  const routes = async () =>
    (await registry.list('routes/')).entries.map(
      (entry) => (JSON.parse(entry.value) as { upstream: string }).upstream,
    )
  const agentOf = (agent: string) => {
    const memo = new LeaseMemo(join(temporaryFolder(t), 'x'), 's', log)
    const contested: string[] = []
    const onContested = (all: Contested[]) => contested.splice(0, 9, ...all.map(messageOf))
    const registrar = start(registry, { agent, memo, onContested })
    const want = (upstream: string, state: string) =>
      registrar.want(
        new Map([
          [
            `instances/${upstream}/${agent}:a:80`,
            JSON.stringify({ ...JSON.parse(value().replace(AGENT, agent)), state }),
          ],
          [
            `routes/${agentRoutePrefix(agent)}1`,
            JSON.stringify({ hosts: ['a.example'], pathPrefix: '/', upstream }),
          ],
        ]),
      )
    return { registrar, want, contested }
  }
  const messageOf = ({ claim, message }: Contested) => `${claim}: ${message}`
  const [one, two] = [agentOf('node-1'), agentOf('node-2')]
  await Promise.all([one.registrar.start(), two.registrar.start()])
  one.want('blue', 'up')
  await until(async () => (await routes()).join() === 'blue')
  two.want('green', 'up')
  await until(async () => (await registry.list('instances/green/')).entries.length === 1)
  t.same(await routes(), ['blue'], 'the first one keeps it')
  t.match(two.contested, [/^a\.example\/: .*upstream blue.*; upstream green wants it, too/])
  one.want('blue', 'down')
  await until(async () => (await routes()).join() === 'green', { what: 'the one that is up' })
  await until(() => two.contested.length === 0 && one.contested.length === 1)
  one.want('blue', 'up')
  two.want('green', 'draining')
  await until(async () => (await routes()).join() === 'blue', { what: 'and back' })
})

t.test('through a controller: a record that it refuses keeps no other away', async (t) => {
  const { registry, start, keys } = await rig(t)
  const { app, port } = await serveRegistry(registry)
  const http = openHttp({ url: `http://127.0.0.1:${port}`, token: TOKEN, log })
  t.teardown(async () => {
    await http.close()
    await app.close()
  })
  const registrar = start(http)
  await registrar.start()
  const route = JSON.stringify({ hosts: ['a.example'], pathPrefix: '/', upstream: 'web' })
  const host = JSON.stringify({ address: '', containers: 2 })
  const bad = value().replace('10.0.0.1', '169.254.169.254')
  const all = new Map([
    [WEB, value()],
    [API, bad],
    [HOST, host],
    [ROUTE, route],
  ])
  registrar.want(all)
  await until(async () => (await keys()).length === 3)
  t.notOk((await keys()).includes(API))
  registrar.want(new Map([...all, [API, value(2)]]))
  await until(async () => (await keys()).includes(API), { what: 'a value that is good' })
  registrar.want(all)
  registrar.want(new Map([...all, [WEB, value(3)]]))
  await until(async () => (await registry.list(WEB)).entries[0]?.value === value(3))
  t.equal((await registry.list(API)).entries[0]?.value, value(2), 'the last good one stays')
  registrar.want(new Map())
  await until(async () => (await keys()).length === 0)
})

t.test('settings that labels ask for are put where there are none, and once', async (t) => {
  const { registry, start } = await rig(t)
  const { app, port } = await serveRegistry(registry)
  const http = openHttp({ url: `http://127.0.0.1:${port}`, token: TOKEN, log })
  t.teardown(async () => {
    await http.close()
    await app.close()
  })
  const settings = (balance: string) => JSON.stringify({ policy: { balance } })
  const API_KEY = 'upstreams/api'
  await registry.commit([{ type: 'put', key: API_KEY, value: settings('ipHash') }])
  const registrar = start(http)
  await registrar.start()
  const wanted = new Map(['upstreams/web', API_KEY].map((key) => [key, settings('leastConn')]))
  registrar.want(entries(WEB), undefined, wanted)
  const read = async (key: string) => (await registry.get(key)).entry?.value
  await until(async () => (await read('upstreams/web')) === settings('leastConn'))
  registrar.want(entries(WEB, API), undefined, wanted)
  await until(async () => (await registry.list(API)).entries.length === 1)
  t.equal(await read(API_KEY), settings('ipHash'), "an operator's stay")
})

t.test("an operator's route is beyond an agent that comes through a controller", async (t) => {
  const { registry } = await rig(t)
  const { app, port } = await serveRegistry(registry)
  const http = openHttp({ url: `http://127.0.0.1:${port}`, token: TOKEN, log })
  t.teardown(async () => {
    await http.close()
    await app.close()
  })
  await registry.commit([{ type: 'put', key: 'routes/mine', value: '{}' }])
  t.same((await http.list('routes/')).entries, [])
  await t.rejects(http.commit([{ type: 'delete', key: 'routes/mine' }]), { code: 'forbidden' })
  const put = { type: 'put' as const, key: ROUTE, value: '{"hosts":[]}' }
  await t.rejects(http.commit([put]), { code: 'invalid' })
  const settings = { key: 'upstreams/web', value: '{"policy":{"balance":"hash"}}' }
  await t.rejects(http.commit([{ type: 'put', ...settings }]), { code: 'forbidden' })
  await t.rejects(http.commit([{ type: 'delete', key: settings.key }]), { code: 'forbidden' })
})

const balanced = (balance: string) => JSON.stringify({ policy: { balance } })
const WEB_SETTINGS = 'upstreams/web'
const API_SETTINGS = 'upstreams/api'

/** A controller that holds agents to what is theirs, and its client for each. */
async function confined(t: Test, registry: Registry) {
  const { app, port } = await serveRegistry(registry, 0, true)
  const url = `http://127.0.0.1:${port}`
  const open = (agent: string) => openHttp({ url, token: TOKEN, log, agent })
  const clients = { mine: open(AGENT), other: open('node-2') }
  t.teardown(async () => {
    await Promise.all([clients.mine.close(), clients.other.close()])
    await app.close()
  })
  return clients
}

t.test("a source's settings are kept up to date, and an operator's stay", async (t) => {
  const { registry, start } = await rig(t)
  const { mine } = await confined(t, registry)
  const warned: Array<{ key: string; reason: string }> = []
  const warn = (fields: { key: string; reason: string }) => void warned.push(fields)
  const loud = { ...log, warn } as unknown as typeof log
  const path = join(temporaryFolder(t), 'agent-settings.json')
  const life = async () => {
    const settingsMemo = new SettingsMemo(path, 'scope', log)
    const registrar = start(mine, { settingsMemo, log: loud })
    await registrar.start()
    const want = (given: Record<string, string>, isWhole = true) =>
      registrar.want(new Map(), undefined, undefined, {
        settings: new Map(Object.entries(given)),
        isWhole,
      })
    return { registrar, want }
  }
  const read = async (key: string) => (await registry.get(key)).entry?.value
  const reads = async (key: string, value: string | undefined) =>
    until(async () => (await read(key)) === value, { what: `${key} to be ${value}` })

  const first = await life()
  first.want({ [WEB_SETTINGS]: balanced('ipHash'), [API_SETTINGS]: balanced('ipHash') })
  await reads(API_SETTINGS, balanced('ipHash'))
  first.want({ [WEB_SETTINGS]: balanced('random'), [API_SETTINGS]: balanced('ipHash') })
  await reads(WEB_SETTINGS, balanced('random'))
  await first.registrar.stop()

  const second = await life()
  second.want({ [WEB_SETTINGS]: balanced('leastConn') }, false)
  await reads(WEB_SETTINGS, balanced('leastConn'))
  t.equal(await read(API_SETTINGS), balanced('ipHash'), 'not known to be dropped')
  second.want({ [WEB_SETTINGS]: balanced('leastConn') })
  await reads(API_SETTINGS, undefined)

  await registry.commit([{ type: 'put', key: WEB_SETTINGS, value: balanced('randomTwo') }])
  second.want({ [WEB_SETTINGS]: balanced('roundRobin') })
  await until(() => warned.some(({ key }) => key === WEB_SETTINGS), { what: 'the warning' })
  t.match(warned, [{ key: WEB_SETTINGS, reason: 'somebody else has set it' }])
  second.want({ [API_SETTINGS]: balanced('random') })
  await reads(API_SETTINGS, balanced('random'))
  await until(() => warned.length === 2, { what: 'the warning of what is not removed' })
  t.equal(await read(WEB_SETTINGS), balanced('randomTwo'), 'nor is it removed')
  await second.registrar.stop()

  await rm(path)
  const third = await life()
  third.want({ [API_SETTINGS]: balanced('ipHash') })
  await until(() => warned.length === 3, { what: 'the warning of a lost memo' })
  t.equal(await read(API_SETTINGS), balanced('random'), 'without its memo it overwrites nothing')
})

t.test('an agent changes no settings but those that it put itself', async (t) => {
  const { registry } = await rig(t)
  const { mine, other } = await confined(t, registry)
  const refused = async (what: Registry, operation: RegistryOperation, code: string) =>
    t.rejects(what.commit([operation]), { code }, `${code}: ${JSON.stringify(operation)}`)
  const attempts = (key: string, ifRevision: number): RegistryOperation[] => [
    { type: 'put', key, value: balanced('ipHash'), ifRevision },
    { type: 'delete', key, ifRevision },
  ]
  const operators = await registry.commit([
    { type: 'put', key: WEB_SETTINGS, value: balanced('random') },
  ])
  const mines = await mine.commit([
    { type: 'put', key: API_SETTINGS, value: balanced('random'), ifRevision: 0 },
  ])
  for (const operation of attempts(WEB_SETTINGS, operators.revision)) {
    await refused(mine, operation, 'forbidden')
  }
  for (const operation of attempts(API_SETTINGS, mines.revision)) {
    await refused(other, operation, 'forbidden')
  }
  for (const operation of attempts(API_SETTINGS, mines.revision + 1)) {
    await refused(mine, operation, 'changed')
  }
  for (const operation of attempts('owners/web', 0)) {
    await refused(mine, operation, 'forbidden')
  }
  const changed = await registry.commit([
    { type: 'put', key: API_SETTINGS, value: balanced('randomTwo') },
  ])
  for (const operation of attempts(API_SETTINGS, changed.revision)) {
    await refused(mine, operation, 'forbidden')
  }
  t.equal((await registry.get(API_SETTINGS)).entry?.value, balanced('randomTwo'))
})
