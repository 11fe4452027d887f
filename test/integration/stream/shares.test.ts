// Clients that open connections and say nothing: gRPC and TCP take no more than their share of a
// worker's connections, and what is silent is ended.
import t from 'tap'
import type { Test } from 'tap'
import { GrpcClient, startGrpcBackend } from '../../../lab/backends/grpc.js'
import { startTcp } from '../../../lab/backends/stream-backend.js'
import { openTcp } from '../../../lab/stream-client.js'
import { freePort } from '../../../lab/ports.js'
import { until } from '../../../lab/until.js'
import { startControlled } from '../../support/controlled.js'

t.setTimeout(120_000)

const IDLE_MS = 2500
const limits = { connections: 256, grpcIdleMs: IDLE_MS, tcpIdleMs: IDLE_MS }
/** A quarter, and two for each. */
const MOST = 32
const DEADLINE_EXCEEDED = 4
const UNAVAILABLE = 14

async function setUp(t: Test, kind: 'njs' | 'stable') {
  const [port, tuned] = [await freePort(), await freePort()]
  const ports = { streamPorts: `${port} ${tuned}`, tunedPorts: String(tuned) }
  const options = { kind, workers: 1, limits, ...ports, settings: ports }
  const { gateway, call, controller } = await startControlled(t, options)
  await until(() => controller.stream().connected, { what: 'the link to stream{}' })
  const put = async (path: string, body: object): Promise<void> => {
    t.match(await call('PUT', `/v1/${path}`, body), { status: 201, body: { applied: true } }, path)
  }
  const web = async (): Promise<number> => (await gateway.ask({ host: 'none.test' })).status
  return { gateway, put, web, port, tuned }
}

for (const kind of ['njs', 'stable'] as const) {
  t.test(kind, async (t) => {
    const { gateway, put, web, port, tuned } = await setUp(t, kind)
    const db = await startTcp(t, 'db')
    await put('upstreams/db/instances/a', { host: db.host, port: db.port })
    await put('routes/plain', { port, protocol: 'tcp', upstream: 'db' })
    await put('routes/tuned', { port: tuned, protocol: 'tcp', upstream: 'db' })
    const echo = await startGrpcBackend(t, 'echo')
    await put('upstreams/echo', { protocol: 'grpc', policy: { retry: { tries: 1 } } })
    await put('upstreams/echo/instances/a', { host: echo.host, port: echo.port })
    await put('routes/echo', { hosts: ['echo.test'], upstream: 'echo' })

    const client = new GrpcClient(t, gateway.httpsPort, 'echo.test')
    const silent = client.call('Say', ['wait'])

    t.test('TCP clients that say nothing', async (t) => {
      const clients = await Promise.all(
        Array.from({ length: 2 * MOST }, (_, i) => openTcp(i % 2 === 0 ? port : tuned)),
      )
      const greetings = await Promise.all(clients.map((client) => client.line()))
      t.equal(greetings.filter((line) => line === 'db').length, MOST)
      t.equal(greetings.filter((line) => line === '').length, MOST, 'the others were closed')
      t.equal(await web(), 404, 'HTTP goes on')
      await until(() => db.open() === 0, { what: 'the silent ones to be ended' })
      const next = await openTcp(tuned)
      t.equal(await next.line(), 'db', 'then there is room')
      await next.end()
      await Promise.all(clients.map((client) => client.end()))
    })

    t.test('calls of gRPC that say nothing', async (t) => {
      await silent
      const before = echo.calls.length
      const codes: number[] = []
      const reasons = new Set<string>()
      const open = () => {
        const stream = client.open('Chat')
        stream.on('error', () => undefined)
        stream.on('status', ({ code, details }) => {
          codes.push(code)
          reasons.add(details)
        })
        stream.write(Buffer.from('hello'))
        return new Promise((resolve) => stream.once('data', resolve).once('status', resolve))
      }
      await Promise.all(Array.from({ length: 2 * MOST }, open))
      // Without a pool each is counted at the front and at the hop.
      const taken = gateway.pool ? MOST : MOST / 2
      t.same(
        codes,
        Array.from({ length: 2 * MOST - taken }, () => UNAVAILABLE),
      )
      const known = ['No answer', 'The gateway has too many calls']
      t.ok(
        [...reasons].every((reason) => known.includes(reason)),
        [...reasons].join(),
      )
      t.equal(echo.calls.length - before, taken)
      t.equal(await web(), 404, 'HTTP goes on')
      await until(() => codes.length === 2 * MOST, { what: 'the silent ones to be ended' })
      t.match(await client.call('Say', ['x']), { code: 0 }, 'then there is room')
    })

    const { code, details } = await silent
    t.same({ code, details }, { code: DEADLINE_EXCEEDED, details: 'No answer in time' })
    t.notMatch(gateway.errorLog(), /limiting connections|worker_connections are not enough/)
  })
}
