// What is not known to have reached every gateway is neither applied nor drained.
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { startApi } from '../../../controller/api/server.js'
import { Controller } from '../../../controller/controller.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { startEtcd } from '../../../lab/engines/etcd.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'
import { openEmbedded } from '../../../registry/embedded/registry.js'
import { openEtcd } from '../../../registry/etcd/registry.js'
import type { Registry } from '../../../registry/registry.js'
import { SluiceError } from '../../../runtime/errors.js'
import { silentLogger } from '../../../runtime/logger.js'
import { noEtcdSettings } from '../../support/registry-subjects.js'
import { testSettings } from '../../support/control.js'
import { startControlled } from '../../support/controlled.js'
import type { Controlled } from '../../support/controlled.js'
import { httpCall } from '../../support/http-call.js'

const UPSTREAM = '/v1/upstreams/web'
const A = `${UPSTREAM}/instances/a`
const HOST = { host: 'web.localhost' }

async function drainFails(t: Test, { call, controller }: Controlled): Promise<void> {
  const id = controller.gatewayId
  const drained = await call('POST', `${A}/drain?wait=none`, {})
  t.match(drained, {
    status: 202,
    body: {
      ...{ applied: false, drained: false, active: null, pending: [id] },
      reasons: { [id]: { code: 'gateway_unavailable', message: /^not connected since 20.*Z: / } },
      notDrained: [{ gateway: id, active: null, reason: /^not connected since / }],
    },
  })
  t.match((await call('GET', '/v1/gateways')).body.gateways, [
    { id, connected: false, sinceAtMs: Number },
  ])
  const away = { code: 'gateway_away', subject: id }
  await until(async () => (await call('GET', '/v1/status')).body.findings.length > 0)
  t.match((await call('GET', '/v1/status')).body, { well: false, findings: [away] })
}

t.test('a gateway whose controller cannot reach it has not applied a change', async (t) => {
  const a = await startBackend(t, 'a')
  const self = await startControlled(t, { kind: 'njs' })
  const { gateway, call } = self
  t.equal((await call('PUT', A, { host: a.host, port: a.port })).status, 201)
  await self.stop()
  const socket = join(gateway.home, 'run/admin.sock')
  renameSync(socket, `${socket}.away`)
  const { registry } = self
  const settings = testSettings(gateway.home, { httpPort: gateway.httpPort })
  const controller = await Controller.make({ settings, registry, log: silentLogger })
  const api = await startApi(controller, controller.metrics.promRegistry)
  controller.start()
  self.controller = controller
  t.teardown(async () => {
    await api.close()
    await controller.close()
  })
  await until(() => controller.desired().upstreams.has('web'))
  await drainFails(t, self)
  t.equal(
    (await gateway.ask({ path: '/', headers: HOST })).status,
    200,
    'it is served all the same',
  )

  renameSync(`${socket}.away`, socket)
  const drained = await call('POST', `${A}/drain`, { waitMs: 10_000 })
  t.match(drained, { status: 200, body: { applied: true, drained: true, active: 0 } })
  t.notOk('notDrained' in drained.body)
  t.equal((await gateway.ask({ path: '/', headers: HOST })).status, 503)
})

t.test('a gateway whose workers are gone has not applied a change', async (t) => {
  const a = await startBackend(t, 'a')
  const self = await startControlled(t, { kind: 'njs' })
  const { gateway, call, controller } = self
  t.equal((await call('PUT', A, { host: a.host, port: a.port })).status, 201)
  const { pid, workers } = await gateway.state()
  // The master cannot start others while it is stopped.
  process.kill(pid, 'SIGSTOP')
  t.teardown(() => process.kill(pid, 'SIGCONT'))
  workers.forEach((worker) => process.kill(worker, 'SIGKILL'))
  await until(() => controller.gateways()[0]?.connected === false)
  await drainFails(t, self)
  process.kill(pid, 'SIGCONT')
  const drained = await call('POST', `${A}/drain`, { waitMs: 20_000 })
  t.match(drained, { status: 200, body: { applied: true, drained: true } })
})

t.test('an nginx that was started anew has applied nothing until it is filled again', async (t) => {
  const a = await startBackend(t, 'a')
  const self = await startControlled(t, { kind: 'njs' })
  const { gateway, call, controller } = self
  t.equal((await call('PUT', A, { host: a.host, port: a.port })).status, 201)
  const seen: number[] = []
  controller.subscribe(() => seen.push(controller.gateways()[0]?.applied ?? -1))
  await gateway.restart()
  await until(() => seen.includes(0))
  await until(async () => (await gateway.state()).whole)
  await until(() => (controller.gateways()[0]?.applied ?? 0) > 0)
  t.pass()
})

async function etcdOf(t: Test): Promise<() => Registry> {
  const etcd = await startEtcd()
  t.teardown(() => etcd.stop())
  const url = `etcd://127.0.0.1:${etcd.clientPort}`
  return () => {
    const registry = openEtcd({ url, cluster: 'main', settings: noEtcdSettings, log: silentLogger })
    t.teardown(() => registry.close())
    return registry
  }
}

t.test('another gateway counts until it leaves, or is forgotten: over etcd', async (t) => {
  const open = await etcdOf(t)
  await countsUntilItLeaves(t, open(), open())
})

t.test('another gateway counts until it leaves, or is forgotten: embedded', (t) =>
  countsUntilItLeaves(t),
)

async function countsUntilItLeaves(t: Test, first?: Registry, second?: Registry): Promise<void> {
  const a = await startBackend(t, 'a')
  const one = await startControlled(t, { kind: 'njs', ...(first && { registry: first }) })
  const registry = second ?? one.registry
  const two = await startControlled(t, { kind: 'byAddress', registry })
  const id = two.controller.gatewayId
  const { call } = one
  const isPresent = (present: boolean) => () =>
    one.controller.gateways().some((view) => view.id === id && view.connected === present)
  await until(isPresent(true))
  t.equal((await call('PUT', A, { host: a.host, port: a.port })).status, 201)
  t.match(await call('DELETE', `/v1/gateways/${id}`), {
    status: 409,
    body: { code: 'conflict', detail: /is running/ },
  })
  t.equal((await call('DELETE', '/v1/gateways/nobody')).status, 404)
  t.equal((await call('DELETE', `/v1/gateways/${one.controller.gatewayId}`)).status, 409)

  await two.stop()
  await until(isPresent(false))
  const waiting = performance.now()
  const drained = await call('POST', `${A}/drain`, {})
  t.match(drained, {
    status: 202,
    body: { applied: false, drained: false, pending: [id], notDrained: [{ gateway: id }] },
  })
  t.match(
    drained.body.reasons[id].message,
    /^not connected since 20.*its controller does not report$/,
  )
  t.equal((await two.gateway.ask({ path: '/', headers: HOST })).status, 200, 'it serves it still')
  t.ok(performance.now() - waiting > 1000, 'it might have come back')

  await two.start()
  t.match(await call('POST', `${A}/drain`, { waitMs: 10_000 }), {
    status: 200,
    body: { applied: true, drained: true },
  })
  await two.stop()
  await until(isPresent(false))
  t.same((await call('DELETE', `/v1/gateways/${id}`)).body, { forgotten: id })
  t.equal(
    (await call('PUT', `${UPSTREAM}/instances/b`, { host: a.host, port: a.port })).status,
    201,
  )
  t.equal(one.controller.gateways().length, 1)

  await two.start()
  await until(isPresent(true))
  await one.registry.commit([{ type: 'delete', key: `gateways/${id}` }])
  await until(() => one.controller.gateways().length === 2, { what: 'it to be known again' })
  two.controller.leave()
  await two.stop()
  await until(() => one.controller.gateways().length === 1, { what: 'it to have left' })
  await until(async () => (await one.registry.list('presence/')).entries.length === 1)
}

t.test('what another gateway refuses is pending there, and a finding', async (t) => {
  const one = await startControlled(t, { kind: 'njs' })
  const settings = { allowLoopback: false }
  const two = await startControlled(t, { kind: 'byAddress', registry: one.registry, settings })
  const id = two.controller.gatewayId
  const { call } = one
  await until(() => one.controller.gateways().length === 2)
  const refused = await call('PUT', A, { host: '127.0.0.1', port: 9 })
  t.match(refused, { status: 202, body: { applied: false, pending: [id] } })
  t.match(refused.body.reasons[id], { code: 'invalid', message: /instances\/web\/a: host 127/ })
  const own = await two.call('PATCH', A, { weight: 2 })
  t.match(own, { status: 409 }, 'there nobody knows what it means')
  const findings = async (): Promise<object[]> => (await call('GET', '/v1/status')).body.findings
  await until(async () => (await findings()).length > 0)
  t.match(await findings(), [
    { code: 'values_refused', subject: `instances/web/a at ${id}`, message: /refuses the value/ },
  ])
  t.match((await two.call('GET', '/v1/status')).body.findings, [{ subject: 'instances/web/a' }])

  const taken = await call('PUT', A, { host: '10.0.0.7', port: 9 })
  t.match(taken, { status: 200, body: { applied: true } })
  await until(async () => (await findings()).length === 0)
})

t.test('a gateway that may not write its record says so', async (t) => {
  const registry = await openEmbedded({ folder: temporaryFolder(t), log: silentLogger })
  t.teardown(() => registry.close())
  const commit = registry.commit.bind(registry)
  let isRefused = true
  registry.commit = async (operations) => {
    if (isRefused && operations.some(({ key }) => key.startsWith('gateways/'))) {
      throw new SluiceError('forbidden', 'permission denied')
    }
    return commit(operations)
  }
  const { call, controller } = await startControlled(t, { kind: 'njs', registry })
  const findings = async (): Promise<object[]> => (await call('GET', '/v1/status')).body.findings
  await until(async () => (await findings()).length > 0, { deadlineMs: 30_000 })
  t.match(await findings(), [
    { code: 'gateway_unpublished', subject: controller.gatewayId, message: /permission denied/ },
  ])
  t.equal((await call('PUT', A, { host: '10.0.0.7', port: 9 })).status, 201, 'it is served')
  isRefused = false
  await until(async () => (await findings()).length === 0, { deadlineMs: 30_000 })
})

t.test('a controller that starts later knows a gateway that is away', async (t) => {
  const one = await startControlled(t, { kind: 'njs' })
  const two = await startControlled(t, { kind: 'byAddress', registry: one.registry })
  await until(() => one.controller.gateways().length === 2)
  await two.stop()
  await one.stop()
  await one.start()
  await until(() => one.controller.gateways().length === 2)
  const away = one.controller.gateways()[1]
  t.match(away, { id: two.controller.gatewayId, connected: false, code: 'gateway_unavailable' })
  t.ok((away?.sinceAtMs ?? Infinity) <= Date.now())
  const socket = join(one.gateway.home, 'api.sock')
  const put = await httpCall(`http://api${UPSTREAM}`, { method: 'PUT', body: {}, socket })
  t.match(put, { status: 202, body: { pending: [two.controller.gatewayId] } })
})
