/** What counts as an answer of a port, and what an agent concludes when it gets none. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import t, { type Test } from 'tap'
import { PortProber, answers } from '../../../../agent/plan/port-prober.js'
import type { ProbeTarget } from '../../../../agent/plan/plan.js'
import { freePort } from '../../../../lab/ports.js'
import { until } from '../../../../lab/until.js'

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
  t.equal(await answers('127.0.0.1', silent), true)
  t.equal(await answers('127.0.0.1', greeting), true)
  t.equal(await answers('127.0.0.1', proxy), false, 'taken, and closed at once')
  t.equal(await answers('127.0.0.1', polite), false)
  t.equal(await answers('127.0.0.1', await freePort()), false)
})

t.test(
  'one that listens at its own address is up, though its published one is not reached',
  async (t) => {
    const port = await listen(t, () => undefined)
    const up: ProbeTarget[] = []
    const unreachable: Array<[ProbeTarget, boolean]> = []
    const prober = new PortProber({
      onAnswer: (target) => up.push(target),
      onUnreachable: (target, listens) => unreachable.push([target, listens]),
    })
    t.teardown(() => prober.stop())
    const direct = { host: '127.0.0.1', port }
    const target = { run: 'a/1', host: '127.0.0.1', port: await freePort(), container: 'a', direct }
    prober.follow([target])
    await until(() => up.length === 1, { what: 'an answer' })
    t.same(unreachable, [[target, true]])
  },
)
