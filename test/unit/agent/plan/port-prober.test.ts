/** What counts as an answer of a port, and what an agent concludes when it gets none. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import t, { type Test } from 'tap'
import { PortProber, answers } from '../../../../agent/plan/port-prober.js'
import { freePort } from '../../../../lab/ports.js'
import { until } from '../../../../lab/until.js'

/** A link's own address means nothing without the link, so nothing is sent. */
const NOWHERE = 'fe80::1'

async function listen(t: Test, onConnection: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

t.test('a connection has to hold, or a byte to come', async (t) => {
  const silent = await listen(t, () => undefined)
  const greeting = await listen(t, (socket) => socket.end('220 hello\r\n'))
  const proxy = await listen(t, (socket) => socket.destroy())
  const polite = await listen(t, (socket) => socket.end())
  t.equal(await answers('127.0.0.1', silent), 'taken')
  t.equal(await answers('127.0.0.1', greeting), 'taken')
  t.equal(await answers('127.0.0.1', proxy), 'refused', 'taken, and closed at once')
  t.equal(await answers('127.0.0.1', polite), 'refused')
  t.equal(await answers('127.0.0.1', await freePort()), 'refused')
  t.equal(await answers(NOWHERE, 80), 'silent', 'nothing is known')
})

/** What a prober reports, in order: `up a`, `listens a`, `reached a`. */
function startProber(t: Test, patienceMs: number) {
  const said: string[] = []
  const prober = new PortProber(
    {
      onAnswer: ({ container }) => said.push(`up ${container}`),
      onUnreached: ({ container }, what) => said.push(`${what} ${container}`),
      onReached: ({ container }) => said.push(`reached ${container}`),
    },
    { patienceMs },
  )
  t.teardown(() => prober.stop())
  return { prober, said }
}

t.test('one that listens at its own address is up, though another is registered', async (t) => {
  const own = await listen(t, () => undefined)
  const { prober, said } = startProber(t, 60_000)
  const direct = { host: '127.0.0.1', port: own }
  const port = await freePort()
  prober.follow([{ run: 'a/1', host: '127.0.0.1', port, container: 'a', direct }])
  await until(() => said.length === 2, { what: 'an answer' })
  t.same(said, ['listens a', 'up a'])
  const late = createServer().listen(port, '127.0.0.1')
  t.teardown(() => late.close())
  await until(() => said.length === 4, { what: 'its registered address' })
  t.same(said.slice(2), ['reached a', 'up a'])
})

t.test('gateways judge what cannot be known here; who refuses is down', async (t) => {
  const { prober, said } = startProber(t, 0)
  const port = await freePort()
  prober.follow([
    { run: 'a/1', host: NOWHERE, port: 80, container: 'a' },
    { run: 'b/1', host: '127.0.0.1', port, container: 'b' },
    { run: 'c/1', host: '127.0.0.1', port, container: 'c', direct: { host: NOWHERE, port } },
  ])
  await until(() => said.length === 4, { what: 'reports' })
  t.same([...said].sort(), ['refused b', 'refused c', 'unknown a', 'up a'])
})
