// Answers that a policy has tried again: where no other try follows, the client gets the instance's
// own, whole.
import { createServer } from 'node:http'
import type { RequestListener, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { ask } from '../../../lab/ask.js'
import type { Answer, Question } from '../../../lab/ask.js'
import { refusingAddress, startFaultyBackend } from '../../../lab/backends/backend.js'
import { GATEWAY_KINDS, startGateway } from '../../../lab/nginx/gateway.js'
import { hostUnit, ruledUnit } from '../../../lab/nginx/unit-builder.js'
import type { RuledPeer } from '../../../lab/nginx/unit-builder.js'
import { sidOfAddress } from '../../../controller/state/sid.js'
import { until } from '../../../lab/until.js'
import { sendRaw } from '../../support/raw-http.js'

t.setTimeout(120_000)

const ONLY_503 = 1 << 3

const conf = (port: number): string => `
  server {
    listen 127.0.0.1:${port};
    location / {
      set $sluice_upstream web;
      proxy_read_timeout 500ms;
      include "$HOME/sluice/proxy.conf";
    }
  }`

interface Instance {
  id: string
  address: string
  asked: () => number
}

async function startInstance(t: Test, id: string, answer: RequestListener): Promise<Instance> {
  let asked = 0
  const server = createServer((request, response) => {
    asked += 1
    answer(request, response)
  })
  server.on('upgrade', (_request, socket) => {
    socket.on('error', () => undefined)
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    )
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return { id, address, asked: () => asked }
}

const HEADERS = { 'Content-Type': 'text/x-own', 'Retry-After': '7', 'Set-Cookie': 'own=1' }

/** Whether it is the whole answer of this status that the sick instance gives. */
function isOwn(answer: Answer, status: number): boolean {
  const { headers, body } = answer
  return (
    answer.status === status &&
    body === `sick ${status}` &&
    headers['content-type'] === 'text/x-own' &&
    headers['retry-after'] === '7' &&
    headers['x-sluice-peer'] === undefined
  )
}

interface Holding extends Instance {
  /** Requests that came and are not answered yet. */
  held: () => number
  release: () => void
}

/** `answer` comes at the end of the request; where its path has `waits`, once it is released. */
async function startHolding(
  t: Test,
  id: string,
  waits: string,
  answer: (path: string, bytes: number, response: ServerResponse) => void,
): Promise<Holding> {
  const waiting = new Set<() => void>()
  const instance = await startInstance(t, id, (request, response) => {
    const { url = '' } = request
    let bytes = 0
    request.on('data', (chunk: Buffer) => (bytes += chunk.length))
    request.on('end', () => {
      const go = (): void => answer(url, bytes, response)
      if (!url.includes(waits)) {
        return go()
      }
      waiting.add(go)
      response.on('close', () => waiting.delete(go))
    })
  })
  const release = (): void => {
    for (const go of [...waiting]) {
      waiting.delete(go)
      go()
    }
  }
  return { ...instance, held: () => waiting.size, release }
}

/** Answers the status in the path. What it says beside that is for clients alone. */
function startSick(t: Test): Promise<Holding> {
  const forged = { 'X-Sluice-Peer': `503 1 :web ${'0'.repeat(32)}`, X_Sluice_Peer: '0 0' }
  return startHolding(t, 'sick', 'hold', (path, _bytes, response) => {
    const status = Number(/^\/(\d+)/.exec(path)?.[1] ?? 503)
    response.writeHead(status, { ...HEADERS, ...forged })
    response.end(`sick ${status}`)
  })
}

function startGood(t: Test): Promise<Holding> {
  return startHolding(t, 'good', 'keep', (_path, bytes, response) => response.end(`good ${bytes}`))
}

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, { kind, conf, connectTimeoutMs: 500 })
    const sick = await startSick(t)
    const good = await startGood(t)
    const hanging = await startFaultyBackend(t, 'hang')
    const resetting = await startFaultyBackend(t, 'reset')
    await gateway.fillPool(sick.address, good.address)

    type Rules = Parameters<typeof ruledUnit>[2]
    const serve = async (
      list: Array<Partial<RuledPeer>>,
      main: string[],
      rules?: Rules,
      spill: string[] = [],
    ) => {
      const peers = list.map((each) => ({ id: '', address: '', pooled: gateway.pool, ...each }))
      const all = { balance: 'r', statuses: ONLY_503, ...rules } as const
      const unit = ruledUnit('web', peers, all, { main, spill })
      await gateway.setTable(unit, hostUnit('web.test', [['/', ':web']]))
    }
    const to = (question: Question = {}) => gateway.ask({ host: 'web.test', ...question })
    const many = (times: number, question?: Question) =>
      Promise.all(Array.from({ length: times }, () => to(question)))
    const retriedIn = async (run: () => Promise<unknown>): Promise<number> => {
      const { retried: before = 0 } = await gateway.counters()
      await run()
      return ((await gateway.counters()).retried ?? 0) - before
    }

    t.test('a budget that others spend meanwhile', async (t) => {
      await serve([sick, good], ['sick', 'sick', 'sick', 'good'], { budgetPercent: 1 })
      const asked = many(40, { path: '/503?hold' })
      await until(() => sick.held() === 30, { what: '30 held requests' })
      let answers: Answer[] = []
      const retried = await retriedIn(async () => {
        sick.release()
        answers = await asked
      })
      const own = answers.filter((answer) => isOwn(answer, 503)).length
      const served = answers.filter(({ body }) => body === 'good 0').length
      t.equal(own + served, 40, JSON.stringify(answers.map(({ status, body }) => [status, body])))
      t.equal(retried, 10, 'all of the budget')
      t.equal(own, 20, 'what it did not pay for')
    })

    t.test('time is up, or nobody is left, when the answer comes', async (t) => {
      await serve([sick, good], ['sick'], { timeoutMs: 300 })
      const late = to({ path: '/503?hold' })
      await until(() => sick.held() === 1)
      const from = Date.now()
      await until(() => Date.now() - from > 320)
      sick.release()
      t.ok(isOwn(await late, 503), 'time is up')
      t.equal((await to()).body, 'good 0', 'in time, another instance is asked')

      await serve([sick, good], ['sick'])
      const last = to({ path: '/503?hold' })
      await until(() => sick.held() === 1)
      await serve([sick, { ...good, up: false }], ['sick'])
      sick.release()
      t.ok(isOwn(await last, 503), 'nobody is left')

      await serve([sick, { ...good, maxConns: 1 }], ['sick'], { capped: true }, ['good'])
      const kept = to({ path: '/503?keep' })
      await until(() => good.held() === 1)
      t.ok(isOwn(await to(), 503), 'nobody has a place')
      good.release()
      t.equal((await kept).body, 'good 0')
      t.equal((await to()).body, 'good 0', 'somebody has one')
    })

    t.test('many answers at once, and few places elsewhere', async (t) => {
      const places = 2
      await serve([sick, { ...good, maxConns: places }], ['sick'], { capped: true }, ['good'])
      for (let round = 0; round < 3; round++) {
        const asked = Array.from({ length: 20 }, () => to({ path: '/503?keep&hold' }))
        await until(() => sick.held() === 20, { what: '20 held requests' })
        const early: Answer[] = []
        asked.forEach((each) => void each.then((answer) => early.push(answer)))
        sick.release()
        const isSettled = () => early.length === 20 - places && good.held() === places
        await until(isSettled, { what: 'all to have a place or an answer' })
        t.ok(early.every((answer) => isOwn(answer, 503)))
        good.release()
        await Promise.all(asked)
        t.match(early.slice(-places), Array(places).fill({ body: 'good 0' }))
      }
      const leaving = new AbortController()
      const left = [1, 2].map(() => to({ path: '/503?keep', signal: leaving.signal }))
      await until(() => good.held() === places)
      leaving.abort()
      await Promise.allSettled(left)
      await until(() => good.held() === 0)
      t.equal((await to()).body, 'good 0', 'clients that leave keep no place')
    })

    t.test('statuses that nobody named pass, and run once', async (t) => {
      await serve([sick, good], ['sick'])
      for (const status of [500, 502, 504, 429, 404]) {
        for (const method of ['DELETE', 'GET']) {
          const before = [sick.asked(), good.asked()]
          t.ok(isOwn(await to({ path: `/${status}`, method }), status), `${method} ${status}`)
          t.same([sick.asked(), good.asked()], [(before[0] ?? 0) + 1, before[1]])
        }
      }
      t.ok(isOwn(await to({ method: 'POST', body: 'x' }), 503), 'a POST was sent')
    })

    t.test('an instance steers nobody', async (t) => {
      await serve([sick, good], ['sick'])
      const before = good.asked()
      const { status, body, headers } = await to({ path: '/590' })
      t.match({ status, body }, { status: 500, body: 'sick 590' })
      t.equal(headers['x-sluice-peer'], undefined)
      t.equal((await to({ path: '/591' })).status, 591)
      t.equal(good.asked(), before)
      const asked = { 'X-Sluice-Pick': ':web/7 31 8 0 :web 127.0.0.1:1 x', X_Sluice_Pick: 'x' }
      t.equal((await to({ headers: asked })).body, 'good 0', 'nor does a client')
    })

    t.test('who does not answer is left for another', async (t) => {
      const others = [
        { id: 'dead', address: await refusingAddress() },
        { id: 'reset', address: resetting.address },
      ]
      const body = Buffer.alloc(300_000, 'sluice ')
      for (const other of others) {
        await serve([other, good], [other.id])
        t.equal((await to()).body, 'good 0', other.id)
        t.equal((await to({ method: 'PUT', body })).body, 'good 300000', other.id)
      }
      const before = resetting.hits()
      t.equal((await to({ method: 'POST', body })).status, 502, 'a POST that was sent')
      t.equal(resetting.hits(), before + 1)
      await serve([others[0] ?? {}, good], ['dead'])
      t.equal((await to({ method: 'POST', body })).body, 'good 300000', 'one that was not')
      await serve([{ id: 'hang', address: hanging.address }, good], ['hang', 'good'])
      for (let i = 0; i < 2; i++) {
        const answer = await ask({ host: 'web.test', port: gateway.userPort })
        t.equal(answer.body, 'good 0', 'one that hangs')
      }
      await serve([sick, { ...others[0], up: true }], ['sick'])
      t.match(await to(), { status: 502, body: /No instance of web answered/ })
    })

    t.test('logs name instances, and what is in flight counts for them', async (t) => {
      await serve([sick, good], ['sick'])
      t.equal((await to({ path: '/503?logged' })).body, 'good 0')
      const line = await until(() => gateway.accessLog().find(({ uri }) => uri === '/503?logged'))
      t.match(line, { upstream: 'web', instance: 'good', tries: 2, status: 200 })
      t.equal(line.address, `${sick.address} : ${good.address}`)
      const sid = sidOfAddress(sick.address)
      const held = to({ path: '/503?hold' })
      await until(() => sick.held() === 1)
      t.equal(await gateway.active(sid), 1)
      sick.release()
      await held
      await until(async () => (await gateway.active(sid)) === 0)
      const leaving = new AbortController()
      const left = to({ path: '/503?hold', signal: leaving.signal }).catch(() => undefined)
      await until(() => sick.held() === 1)
      leaving.abort()
      await left
      await until(() => sick.held() === 0, { what: 'the instance to learn that its client left' })
    })

    t.test('a WebSocket passes', async (t) => {
      await serve([sick, good], ['sick'])
      const lines = [
        'GET / HTTP/1.1',
        'Host: web.test',
        'Connection: Upgrade',
        'Upgrade: websocket',
      ]
      const { socket, text } = sendRaw(t, gateway.httpPort, `${lines.join('\r\n')}\r\n\r\n`)
      await until(() => text().includes('101 Switching Protocols'), { what: 'the upgrade' })
      socket.write('hello')
      await until(() => text().endsWith('hello'), { what: 'the echo' })
    })

    t.test('nothing failed inside', async (t) => {
      t.equal((await gateway.counters()).failed, 0)
      t.notMatch(gateway.errorLog(), /\[(emerg|alert|crit)\]|js exception/)
    })
  })
}
