/** A WebSocket through a gateway: the upgrade, and an echo after it. */
import { connect } from 'node:net'
import type { Test } from 'tap'
import { until } from '../../lab/until.js'

export async function holdEcho(t: Test, port: number, host: string, text: string): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let got = ''
  socket.on('data', (chunk: Buffer) => (got += chunk.toString()))
  const lines = ['GET / HTTP/1.1', `Host: ${host}`, 'Connection: Upgrade', 'Upgrade: websocket']
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  await until(() => got.includes('101 Switching Protocols'), { what: 'the upgrade' })
  socket.write(text)
  await until(() => got.endsWith(text), { what: 'the echo' })
}
