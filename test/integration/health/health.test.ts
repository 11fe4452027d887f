// Failures as a real nginx reports them, in the table and in what is shown.
import { createServer } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { Controller } from '../../../controller/controller.js'
import type { ControllerEvent } from '../../../controller/views.js'
import { sidOf } from '../../../controller/state/sid.js'
import type { Conclusion } from '../../../controller/health/checks/verdict.js'
import { openEmbedded } from '../../../registry/embedded/registry.js'
import type { Registry, RegistryOperation } from '../../../registry/registry.js'
import { silentLogger } from '../../../runtime/logger.js'
import { applied } from '../../support/applied.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { testSettings } from '../../support/control.js'
import { eventWriter, withEventWriter } from '../../support/event-writer.js'
import type { EventWriter } from '../../support/event-writer.js'
import { startGateway } from '../../../lab/nginx/gateway.js'
import type { Gateway, GatewayKind } from '../../../lab/nginx/gateway.js'
import { freePort } from '../../../lab/ports.js'
import { until } from '../../../lab/until.js'

t.setTimeout(120_000)

interface SetUp {
  gateway: Gateway
  registry: Registry
  controller: Controller
  writer: EventWriter
  events: ControllerEvent[]
  verdicts: Map<string, Conclusion>
  judged: (...keys: string[]) => void
  /** Of the address of instance number `n`. */
  sid: (n: number) => string
  policy: (policy: object) => Promise<void>
  put: (id: string, port: number) => Promise<void>
  /** Who answers, of 20 requests. */
  served: () => Promise<string[]>
  reason: (id: string) => string | undefined
}

async function setUp(
  t: Parameters<typeof startGateway>[0],
  kind: GatewayKind,
  ids = ['a', 'b'],
  checks: 'given' | 'real' = 'given',
): Promise<SetUp> {
  const gateway = await startGateway(t, { kind, ...withEventWriter })
  await gateway.responder.stop()
  const settings = testSettings(gateway.home, {
    pool: gateway.pool ? 'auto' : 'off',
    poolPort: gateway.poolPort,
    httpPort: gateway.httpPort,
  })
  const log = silentLogger
  const registry = await openEmbedded({ folder: join(gateway.home, 'registry'), log })
  const verdicts = new Map<string, Conclusion>()
  let onVerdicts: (keys: string[]) => void = () => undefined
  const controller = await Controller.make({
    settings,
    registry,
    log,
    ...(checks === 'given' && {
      makeChecks: (onChange: (keys: string[]) => void) => {
        onVerdicts = onChange
        return {
          setTargets: () => undefined,
          verdict: (key: string) => verdicts.get(key),
          close: () => undefined,
        }
      },
    }),
  })
  const events: ControllerEvent[] = []
  controller.subscribe((event) => events.push(event))
  controller.start()
  t.teardown(async () => {
    await controller.close()
    await registry.close()
  })
  const commit = async (...operations: RegistryOperation[]): Promise<void> =>
    applied(controller, (await registry.commit(operations)).revision)
  const backends = await Promise.all(ids.map((id) => startBackend(t, id)))
  const operations = backends.map(({ id, host, port }): RegistryOperation => {
    const value = JSON.stringify({ host, port })
    return { type: 'put', key: `instances/web/${id}`, value }
  })
  await until(() => controller.ready())
  await commit(...operations)
  return {
    ...{ gateway, registry, controller, events, verdicts },
    sid: (n) => sidOf(backends[n]?.host ?? '', backends[n]?.port ?? 0),
    writer: eventWriter(gateway.userPort),
    judged: (...keys) => onVerdicts(keys),
    put: (id, port) => {
      const value = JSON.stringify({ host: '127.0.0.1', port })
      return commit({ type: 'put', key: `instances/web/${id}`, value })
    },
    policy: (policy) =>
      commit({ type: 'put', key: 'upstreams/web', value: JSON.stringify({ policy }) }),
    served: async () => {
      const ids = new Set<string>()
      for (let i = 0; i < 20; i++) {
        const answer = await gateway.ask({ path: '/', headers: { host: 'web.localhost' } })
        ids.add(answer.status === 200 ? (answer.json as { id: string }).id : `${answer.status}`)
      }
      return [...ids].sort()
    },
    reason: (id) => controller.conditionsOf('web').get(id)?.reason,
  }
}

const only = async (served: () => Promise<string[]>, ...ids: string[]): Promise<void> => {
  await until(async () => (await served()).join() === ids.join(), { what: `only ${ids.join()}` })
}

for (const kind of ['njs', 'qjs', 'stable'] as const) {
  t.test(`${kind}: ejected, tried, recovered`, async (t) => {
    const made = await setUp(t, kind, ['a', 'b', 'c'])
    const { controller, writer, sid, policy, served, reason, events } = made
    await only(served, 'a', 'b', 'c')
    const { revision } = controller.desired()

    await writer.failed(sid(0), 2)
    await writer.failed(sid(0))
    await until(() => /^ejected until .*: 3 failures$/.test(reason('a') ?? ''))
    await only(served, 'b', 'c')
    t.equal(controller.desired().revision, revision, 'the registry knows nothing of it')
    t.same(Object.keys(controller.gateways()[0]?.conditions ?? {}), ['web/a'])
    const shown = events.filter(({ type }) => type === 'health')
    t.match(shown, [{ upstream: 'web', id: 'a', state: 'down', reason: /^ejected/ }])
    const metrics = await controller.metrics.promRegistry.metrics()
    t.match(metrics, /^sluice_ejected\{upstream="web"\} 1$/m)
    t.match(metrics, /^sluice_ejections_total 1$/m)
    t.match(metrics, /^sluice_instances\{upstream="web",state="down"\} 1$/m)
    const published = async (): Promise<boolean> => {
      const { entries } = await made.registry.list('gateways/')
      return entries.some(({ value }) => /"web\/a":\{"state":"down","reason":"ejected/.test(value))
    }
    await until(published)

    await policy({ eject: { failTimeoutMs: 200 } })
    await writer.failed(sid(1), 3)
    await until(() => controller.conditionsOf('web').get('b')?.trial === 1)
    await writer.passed(sid(1))
    await until(() => reason('b') === undefined, { what: 'the trial to be heard of' })
    await only(served, 'b', 'c')

    await policy({ eject: { failTimeoutMs: 2000 } })
    await writer.failed(sid(1), 3)
    await writer.failed(sid(2), 3)
    await until(() => ['a', 'b', 'c'].every((id) => /^ejection ignored/.test(reason(id) ?? '')))
    await only(served, 'a', 'b', 'c')
    await until(() => reason('b') === undefined, { what: 'what was ignored to be over' })
  })
}

t.test('outliers, from the counters of answers', async (t) => {
  const { writer, sid, policy, reason } = await setUp(t, 'njs')
  await policy({ eject: { errorPercent: 50, failTimeoutMs: 60_000 } })
  await writer.count(`n${sid(0)}`, 1)
  await until(async () => {
    await writer.count(`n${sid(0)}`, 20)
    await writer.count(`e${sid(0)}`, 20)
    return /\d+ of \d+ answers were errors$/.test(reason('a') ?? '')
  })
})

t.test('verdicts of checks, and what an operator says before them', async (t) => {
  const { verdicts, judged, policy, served, reason, gateway } = await setUp(t, 'njs')
  await policy({ check: { type: 'tcp' } })
  verdicts.set('web/a', { state: 'down', reason: 'refused' })
  judged('web/a')
  await only(served, 'b')
  t.equal(reason('a'), 'refused')
  verdicts.delete('web/a')
  judged('web/a')
  await only(served, 'a', 'b')
  t.equal((await gateway.counters()).failed, 0)
})

/** Answers as the instance `z`. */
async function serve(t: { teardown(fn: () => unknown): void }, port: number): Promise<void> {
  const server = createServer((_request, response) => response.end('{"id":"z"}'))
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
}

for (const kind of ['njs', 'qjs', 'byAddress', 'stable'] as const) {
  t.test(`${kind}: requests that fail, and one that tries`, async (t) => {
    const { put, policy, served, reason } = await setUp(t, kind)
    await policy({ eject: { failTimeoutMs: 1000 } })
    const port = await freePort()
    await put('z', port)
    await until(async () => {
      t.notOk(
        (await served()).some((who) => /^5/.test(who)),
        'others are tried',
      )
      return /^ejected/.test(reason('z') ?? '')
    })
    t.same(await served(), ['a', 'b'])
    await until(async () => {
      await served()
      return /a trial failed$/.test(reason('z') ?? '')
    })
    await serve(t, port)
    await until(async () => {
      await served()
      return reason('z') === undefined
    })
    await only(served, 'a', 'b', 'z')
  })
}

t.test('a real check keeps out what does not answer, until it does', async (t) => {
  const { put, policy, served, reason } = await setUp(t, 'njs', ['a', 'b'], 'real')
  const check = { type: 'tcp', intervalMs: 500, timeoutMs: 200, fall: 1, rise: 1 }
  await policy({ check, eject: { maxFails: 0 } })
  const port = await freePort()
  await put('z', port)
  await until(() => reason('z') !== undefined)
  await only(served, 'a', 'b')
  await serve(t, port)
  await only(served, 'a', 'b', 'z')
  t.equal(reason('z'), undefined)
})

t.test('a worker that dies leaves no load behind', async (t) => {
  const { gateway, writer } = await setUp(t, 'njs')
  const sid = 'ab'.repeat(16)
  const [pid = 0, other = 0] = (await gateway.state()).workers
  await writer.count(`c${sid}`, 5)
  await writer.count(`c${sid}/${pid}`, 2)
  await writer.count(`c${sid}/${other}`, 3)
  process.kill(pid, 'SIGKILL')
  await until(async () => (await writer.count(`c${sid}`)) === '3')
  t.equal(await writer.count(`c${sid}/${pid}`), '-')
  t.equal(await writer.count(`c${sid}/${other}`), '3')
})

t.test('nginx is started anew, and failures are heard again', async (t) => {
  const { gateway, writer, sid, reason, served } = await setUp(t, 'njs')
  await writer.failed(sid(0), 3)
  await until(() => reason('a') !== undefined)
  await gateway.restart()
  await only(served, 'b')
  await writer.failed(sid(1), 3)
  await until(() => /ignored/.test(reason('b') ?? ''))
})
