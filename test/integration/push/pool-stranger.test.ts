// While no controller runs, anybody may take the pool's port and answer that it has no members.
import { createSocket } from 'node:dgram'
import { join } from 'node:path'
import dns from 'dns-packet'
import t from 'tap'
import { Controller } from '../../../controller/controller.js'
import { openEmbedded } from '../../../registry/embedded/registry.js'
import { silentLogger } from '../../../runtime/logger.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { startGateway } from '../../../lab/nginx/gateway.js'
import { until } from '../../../lab/until.js'
import { applied } from '../../support/applied.js'
import { testSettings } from '../../support/control.js'

t.setTimeout(120_000)

const NXDOMAIN = 3
const log = silentLogger

/** Says of every name that it is none; counts what it was asked. */
async function startStranger(port: number): Promise<{ asked: () => number; stop: () => void }> {
  let asked = 0
  const socket = createSocket('udp4')
  socket.on('message', (message, from) => {
    asked++
    const { id = 0, questions = [] } = dns.decode(message)
    const flags = dns.AUTHORITATIVE_ANSWER | NXDOMAIN
    socket.send(dns.encode({ type: 'response', id, flags, questions }), from.port, from.address)
  })
  await new Promise<void>((resolve) => socket.bind(port, '127.0.0.1', resolve))
  return { asked: () => asked, stop: () => void socket.close() }
}

t.test('a stranger at the port of the pool ejects nobody', async (t) => {
  const gateway = await startGateway(t, { kind: 'njs' })
  await gateway.responder.stop()
  const settings = testSettings(gateway.home, {
    ...{ pool: 'auto', poolPort: gateway.poolPort, httpPort: gateway.httpPort },
  })
  const registry = await openEmbedded({ folder: join(gateway.home, 'registry'), log })
  t.teardown(() => registry.close())
  const start = async (): Promise<Controller> => {
    const made = await Controller.make({ settings, registry, log })
    made.start()
    await until(() => made.ready(), { what: 'the controller to be ready' })
    return made
  }
  const pooledCount = async (controller: Controller): Promise<number> => {
    const text = await controller.metrics.promRegistry.metrics()
    return Number(/^sluice_pool_members (\d+)$/m.exec(text)?.[1] ?? 0)
  }

  let controller = await start()
  t.teardown(() => controller.close())
  const backends = await Promise.all(['a', 'b', 'c', 'd'].map((id) => startBackend(t, id)))
  const { revision } = await registry.commit(
    backends.map(({ id, host, port }) => ({
      ...{ type: 'put' as const, key: `instances/web/${id}` },
      value: JSON.stringify({ host, port }),
    })),
  )
  await applied(controller, revision)
  await until(async () => (await pooledCount(controller)) === 4, { what: 'members of the pool' })

  const serve = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const { status } = await gateway.ask({ headers: { host: 'web.localhost' } })
      if (status !== 200) {
        t.equal(status, 200)
      }
    }
  }
  const ejected = () => [...controller.conditionsOf('web').keys()]
  await controller.close()
  const stranger = await startStranger(gateway.poolPort)
  await until(() => stranger.asked() > 0, { what: 'nginx to ask the stranger' })
  await serve(40)
  controller = await start()
  await serve(40)
  t.same(ejected(), [], 'while the stranger has the port')
  stranger.stop()
  for (let i = 0; i < 20; i++) {
    await serve(10)
    t.same(ejected(), [])
  }
  await until(async () => (await pooledCount(controller)) === 4, {
    ...{ what: 'members of the pool', deadlineMs: 30_000 },
  })
  await serve(40)
  t.same(ejected(), [])
})
