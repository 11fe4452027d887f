// Who is silent, and for how long, before a connection is cut.
import { createServer as createTls } from 'node:https'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { Strangers } from '../../../../../controller/api/http/strangers.js'
import { makeAuthority } from '../../../../../lab/engines/certificates.js'
import { temporaryFolder } from '../../../../../lab/temp.js'
import { until } from '../../../../../lab/until.js'

async function listening(t: { teardown(fn: () => unknown): void }, silentMs: number) {
  const strangers = new Strangers({ most: 2, silentMs })
  const taken: Socket[] = []
  const server = createServer((socket) => taken.push(socket.on('error', () => undefined)))
  strangers.watch(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const clients: Socket[] = []
  t.teardown(() => {
    clients.forEach((client) => client.destroy())
    server.close()
  })
  /** The server's side of a new connection. */
  const open = async (): Promise<Socket> => {
    const client = connect(port, '127.0.0.1').on('error', () => undefined)
    clients.push(client)
    await once(client, 'connect')
    await until(() => taken.length === clients.length)
    return taken.at(-1) as Socket
  }
  return { strangers, open }
}

t.test('the one that was silent for longest makes room', async (t) => {
  const { strangers, open } = await listening(t, 60_000)
  const first = await open()
  const second = await open()
  strangers.heard(first, 'public')
  const third = await open()
  t.same(
    [first, second, third].map(({ destroyed }) => destroyed),
    [false, true, false],
  )
  strangers.heard(first, 'token')
  await open()
  await open()
  t.same(
    [first, third].map(({ destroyed }) => destroyed),
    [false, true],
    'a token counts for good',
  )
})

t.test('a connection that is silent too long is cut', async (t) => {
  const { strangers, open } = await listening(t, 300)
  const [known, silent] = [await open(), await open()]
  strangers.heard(known, 'token')
  await until(() => silent.destroyed, { what: 'the silent one to be cut' })
  t.notOk(known.destroyed)
})

t.test('a token counts over TLS, too', async (t) => {
  const { certificate, privateKey } = await (
    await makeAuthority(temporaryFolder(t, 'ca'))
  ).issue(['api.test'])
  const strangers = new Strangers({ most: 2, silentMs: 300 })
  const server = createTls({ cert: certificate, key: privateKey }, (request, response) => {
    strangers.heard(request.socket, 'token')
    response.end('ok')
  })
  strangers.watch(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const open = () => connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  const [known, silent] = [open(), open()]
  t.teardown(() => server.close())
  t.teardown(() => known.destroy())
  const closed = once(silent.resume(), 'close')
  known.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(known, 'data')
  await closed
  t.notOk(known.destroyed)
})
