/** The count of requests in flight. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { ask } from '../../../lab/ask.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { GATEWAY_KINDS, startGateway } from '../../../lab/nginx/gateway.js'
import { sidOfAddress } from '../../../controller/state/sid.js'
import { hostUnit, ruledUnit, upstreamUnit } from '../../../lab/nginx/unit-builder.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const conf = (port: number): string => `
  server {
    listen 127.0.0.1:${port} reuseport;
    location /buffered {
      set $sluice_upstream web;
      include "$HOME/sluice/proxy.conf";
    }
    location /counted {
      set $sluice_upstream web;
      set $sluice_sid '';
      set $sluice_late '';
      include "$HOME/sluice/proxy.conf";
    }
    include "$HOME/sluice/server.conf";
  }`

/** More than what the kernel keeps for a connection. */
const LARGE = 30_000_000

/** Answers `?bytes=N` with as many. */
async function startLarge(t: Test) {
  let [begun, answering] = [0, 0]
  const server = createServer((request, response) => {
    begun++
    answering++
    response.on('close', () => answering--)
    response.end(Buffer.alloc(Number(/bytes=(\d+)/.exec(request.url ?? '')?.[1])))
  }).listen(0, '127.0.0.1')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return { address, begun: () => begun, answering: () => answering }
}

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, { kind, conf })
    const a = await startBackend(t, 'a')
    const b = await startBackend(t, 'b')
    await gateway.fillPool(a.address, b.address)
    const [sidA, sidB] = [sidOfAddress(a.address), sidOfAddress(b.address)]
    const serve = async (up: { a: boolean; b: boolean }, pooled = gateway.pool): Promise<void> => {
      const unit = upstreamUnit('web', [
        { id: 'a', address: a.address, up: up.a, pooled },
        { id: 'b', address: b.address, up: up.b, pooled },
      ])
      await gateway.setTable(unit, hostUnit('web.test', [['/', ':web']], unit))
    }
    const slow = (signal?: AbortSignal) =>
      ask({ port: gateway.userPort, host: 'web.test', path: '/?hold', ...(signal && { signal }) })
    const isIdle = async (): Promise<boolean> =>
      (await gateway.active(sidA)) + (await gateway.active(sidB)) === 0

    t.test('what is in flight before a drain stays counted and finishes', async (t) => {
      await serve({ a: true, b: false })
      const begun = Array.from({ length: 5 }, () => slow())
      await until(() => a.held() === 5)
      await serve({ a: false, b: true })
      t.equal(await gateway.active(sidA), 5)
      for (let i = 0; i < 20; i++) {
        t.match(await gateway.ask({ host: 'web.test' }), { json: { id: 'b' } })
      }
      a.release()
      for (const answer of await Promise.all(begun)) {
        t.match(answer, { json: { id: 'a' } })
      }
      await until(isIdle)
    })

    t.test('while a body comes, its address goes to another upstream', async (t) => {
      /** Two uploads of which the half is there; resolves with their answers once it may finish. */
      const begin = async (): Promise<() => Promise<string[]>> => {
        const bodies = [new PassThrough(), new PassThrough()]
        const answers = bodies.map(async (body) => {
          const headers = { host: 'web.test' }
          const target = `http://127.0.0.1:${gateway.userPort}/`
          const answer = await request(target, { method: 'POST', headers, body })
          return ((await answer.body.json()) as { id: string }).id
        })
        bodies.forEach((body) => body.write('half'))
        // The peer is chosen when all is there, so nobody holds one meanwhile.
        await gateway.ask({ host: 'web.test' })
        t.equal(await gateway.active(sidA), 0, 'an instance that saw nothing has nothing in flight')
        return () => {
          bodies.forEach((body) => body.end('half'))
          return Promise.all(answers)
        }
      }
      await serve({ a: true, b: false })
      const finish = await begin()
      const pooled = gateway.pool
      const web = upstreamUnit('web', [{ id: 'b', address: b.address, pooled }])
      const other = upstreamUnit('other', [{ id: 'a', address: a.address, pooled }])
      await gateway.setTable(web, other, hostUnit('web.test', [['/', ':web']], web))
      t.same(await finish(), ['b', 'b'])
      await until(isIdle)

      await serve({ a: true, b: false })
      const finishDrained = await begin()
      await serve({ a: false, b: true })
      t.same(await finishDrained(), ['b', 'b'], 'one that drains gets nothing that it never saw')
    })

    t.test('clients that go away are no longer counted', async (t) => {
      await serve({ a: true, b: true })
      const abort = new AbortController()
      const begun = Array.from({ length: 8 }, () => slow(abort.signal))
      await until(() => a.held() + b.held() === 8)
      t.equal((await gateway.active(sidA)) + (await gateway.active(sidB)), 8)
      abort.abort()
      for (const each of begun) {
        await t.rejects(each)
      }
      await until(isIdle)
    })

    t.test('a peer that the pool does not have yet is counted too', async (t) => {
      await serve({ a: true, b: false }, false)
      const begun = Array.from({ length: 3 }, () => slow())
      await until(() => a.held() === 3)
      t.equal(await gateway.active(sidA), 3)
      a.release()
      await Promise.all(begun)
      await until(isIdle)
    })

    t.test('what a killed worker leaves is not counted', async (t) => {
      await serve({ a: true, b: false })
      const begun = Array.from({ length: 12 }, () => slow().catch(() => undefined))
      await until(() => a.held() === 12)
      const { workers } = await gateway.state()
      process.kill(workers[0] as number, 'SIGKILL')
      await until(async () => !(await gateway.state()).workers.includes(workers[0] as number))
      // Requests of the dead worker ended; a front that lost its hop may have asked again.
      await until(async () => (await gateway.active(sidA)) === a.held())
      a.release()
      await Promise.all(begun)
      await until(isIdle)
      t.match(await gateway.ask({ host: 'web.test' }), { json: { id: 'a' } })
    })

    t.test('a websocket passes both ways and is counted while it is open', async (t) => {
      await serve({ a: true, b: false })
      const socket = await upgraded(gateway.userPort)
      const echoed = new Promise((resolve) => socket.once('data', (data) => resolve(String(data))))
      socket.write('ping')
      t.equal(await echoed, 'ping')
      t.equal(await gateway.active(sidA), 1)
      t.match(a.ledger.at(-1)?.headers, { upgrade: 'websocket', connection: /upgrade/i })
      socket.destroy()
      await until(isIdle)
    })

    t.test('a reader that is slow holds a place as long as the instance has work', async (t) => {
      const large = await startLarge(t)
      await gateway.fillPool(a.address, b.address, large.address)
      const peer = { id: 'l', address: large.address, pooled: gateway.pool, maxConns: 1 }
      const unit = ruledUnit('web', [peer], { balance: 'r', capped: true }, { main: ['l'] })
      await gateway.setTable(unit, hostUnit('web.test', [['/', ':web']], unit))
      const port = gateway.userPort
      const status = async (path: string): Promise<number> =>
        (await ask({ port, host: 'web.test', path: `${path}?bytes=1` })).status
      /** A client that asks, and reads nothing until it is told. */
      const read = async (path: string, bytes: number): Promise<Socket> => {
        const socket = connect(port, '127.0.0.1').pause()
        t.teardown(() => socket.destroy())
        const before = large.begun()
        socket.write(`GET ${path}?bytes=${bytes} HTTP/1.1\r\nHost: web.test\r\n\r\n`)
        await until(() => large.begun() > before)
        return socket
      }
      const serves = (path: string) => until(async () => (await status(path)) === 200)

      const small = await read('/', 100_000)
      await serves('/')
      small.destroy()

      const unread = await read('/', LARGE)
      t.equal(await status('/'), 503, 'the instance has not given all of it')
      t.equal(large.answering(), 1)
      unread.destroy()
      await serves('/')

      const counted = await read('/counted', LARGE)
      await until(() => large.answering() === 0, { what: 'all of it to be in buffers of nginx' })
      await serves('/counted')
      counted.destroy()
      const { retried } = await gateway.counters()
      const post = { port, host: 'web.test', path: '/counted?bytes=1', method: 'POST', body: 'x' }
      t.equal((await ask(post)).status, 200)
      t.equal((await gateway.counters()).retried, retried, 'the hop makes the first try itself')

      const buffered = await read('/buffered', LARGE)
      await until(() => large.answering() === 0)
      if (gateway.pool) {
        t.equal(await status('/buffered'), 503, 'docs/limits.md: the front counts to the end')
        buffered.resume()
      }
      await serves('/buffered')
      await serve({ a: true, b: false })
    })

    t.test('server-sent events pass as they come', async (t) => {
      const socket = connect(gateway.userPort, '127.0.0.1')
      socket.on('error', () => undefined)
      const first = new Promise((resolve) => {
        let text = ''
        socket.on('data', (data) => (text += String(data)).includes('data: first') && resolve(text))
      })
      socket.write('GET /?sse HTTP/1.1\r\nHost: web.test\r\n\r\n')
      t.match(await first, /text\/event-stream/)
      socket.destroy()
      await until(isIdle)
    })

    t.test('nothing is left and nothing failed', async (t) => {
      t.equal((await gateway.counters()).failed, 0)
      const log = readFileSync(`${gateway.home}/logs/error.log`, 'utf8')
      const killed = /exited on signal 9/
      const bad = log.split('\n').filter((line) => /\[(emerg|alert|crit)\]/.test(line))
      t.same(
        bad.filter((line) => !killed.test(line)),
        [],
      )
    })
  })
}

function upgraded(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', reject)
    socket.once('data', (data) => {
      if (String(data).startsWith('HTTP/1.1 101')) {
        resolve(socket)
      } else {
        reject(new Error(String(data)))
      }
    })
    const head =
      'GET /chat HTTP/1.1\r\nHost: web.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n'
    socket.write(head)
  })
}
