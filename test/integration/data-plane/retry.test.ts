/** What is sent again to another peer, and what never is. */
import { createHash } from 'node:crypto'
import t from 'tap'
import { ask, type Question } from '../../../lab/ask.js'
import { refusingAddress, startBackend, startFaultyBackend } from '../../../lab/backends/backend.js'
import { blockedAddress } from '../../support/blocked-port.js'
import { GATEWAY_KINDS, startGateway } from '../../../lab/nginx/gateway.js'
import { sidOfAddress } from '../../../controller/state/sid.js'
import { hostUnit, ruledUnit, upstreamUnit } from '../../../lab/nginx/unit-builder.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const conf = (port: number): string => `
  server {
    listen 127.0.0.1:${port};
    location / {
      set $sluice_upstream web;
      client_max_body_size 0;
      proxy_request_buffering off;
      error_page 502 = $sluice_after;
      include "$HOME/sluice/proxy.conf";
    }
    location /impatient {
      set $sluice_upstream web;
      proxy_read_timeout 1s;
      include "$HOME/sluice/proxy.conf";
    }
    include "$HOME/sluice/again.conf";
  }`

const BODY = Buffer.alloc(300_000, 'sluice ')
const DIGEST = createHash('sha256').update(BODY).digest('hex')

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, { kind, conf, connectTimeoutMs: 500 })
    const good = await startBackend(t, 'good')
    const reset = await startFaultyBackend(t, 'reset')
    const resets = await Promise.all([1, 2, 3, 4, 5].map(() => startFaultyBackend(t, 'reset')))
    const midway = await startFaultyBackend(t, { resetAfterBytes: 150_000 })
    const cut = await startFaultyBackend(t, 'resetInAnswer')
    const refusing = await refusingAddress()
    const blocked = await blockedAddress(t)
    const all = [good, reset, midway, cut, ...resets].map(({ address }) => address)
    await gateway.fillPool(...all, refusing, blocked)

    /** Nearly all requests draw `bad`; `others` are what is left for a retry. */
    const serve = async (bad: string, ...others: string[]): Promise<void> => {
      const peers = [bad, ...others].map((address, i) => ({
        id: `p${i}`,
        address,
        weight: i === 0 ? 1000 : 1,
        pooled: gateway.pool,
      }))
      const unit = upstreamUnit('web', peers)
      await gateway.setTable(unit, hostUnit('web.test', [['/', ':web']], unit))
      good.ledger.length = 0
    }
    const post: Question = { host: 'web.test', method: 'POST', body: BODY }
    const whole = { status: 200, json: { id: 'good', bytes: BODY.length, digest: DIGEST } }

    t.test('a peer that refuses costs no request, not even a POST', async (t) => {
      await serve(refusing, good.address)
      for (let i = 0; i < 20; i++) {
        t.match(await gateway.ask({ host: 'web.test' }), { json: { id: 'good' } })
      }
      t.match(await gateway.ask(post), whole, 'of the POST nothing had been sent')
      t.match(
        await ask({ ...post, port: gateway.userPort, chunkBytes: 20_000 }),
        whole,
        'an unbuffered upload arrives whole',
      )
    })

    t.test('logs name the client, and the instances that were tried', async (t) => {
      await serve(refusing, good.address)
      const line = await until(async () => {
        await gateway.ask({ host: 'web.test', path: '/tried' })
        return gateway.accessLog().find(({ uri, tries }) => uri === '/tried' && Number(tries) > 1)
      })
      t.same(String(line.address).split(/, | : /), [refusing, good.address])
      t.match(gateway.errorLog(), /connect\(\) failed .* client: 127\.0\.0\.1,/)
      t.notMatch(gateway.errorLog(), /client: unix:/)
    })

    t.test('a peer that resets before an answer', async (t) => {
      await serve(reset.address, good.address)
      for (let i = 0; i < 20; i++) {
        t.match(await gateway.ask({ host: 'web.test' }), { json: { id: 'good' } })
      }
      good.ledger.length = 0
      const before = reset.hits()
      t.equal((await gateway.ask(post)).status, 502, 'a POST is not sent twice')
      t.equal(reset.hits(), before + 1)
      t.same(good.ledger, [])
      t.match(await gateway.ask({ ...post, method: 'PUT' }), whole, 'but a PUT may be')
    })

    t.test('an unbuffered upload is never cut', async (t) => {
      await serve(midway.address, good.address)
      for (const method of ['POST', 'PUT']) {
        const question = { ...post, method, port: gateway.userPort, chunkBytes: 20_000 }
        // The answer may come before all is sent, and then the connection may be reset under the
        // rest.
        const answer = await ask(question).catch(() => undefined)
        if (answer?.status === 200) {
          t.match(answer, whole)
        } else {
          t.match(answer?.status ?? 502, 502)
        }
        for (const { bytes } of good.ledger) {
          t.equal(bytes, BODY.length)
        }
      }
      t.match(await gateway.ask({ ...post, method: 'PUT' }), whole, 'buffered, it is sent again')
    })

    t.test('a peer that does not accept', async (t) => {
      await serve(blocked, good.address)
      t.match(await gateway.ask({ host: 'web.test' }), { json: { id: 'good' } })
      t.match(await gateway.ask(post), whole)
    })

    t.test('an answer that began is not begun again', async (t) => {
      await serve(cut.address, good.address)
      await t.rejects(gateway.ask({ host: 'web.test' }))
      t.same(good.ledger, [])
    })

    t.test('no peer is tried twice while there are others', async (t) => {
      await serve(
        resets[0]?.address ?? '',
        ...resets.slice(1).map(({ address }) => address),
        good.address,
      )
      const tried = new Map<string, number>()
      for (let i = 1; i <= 10; i++) {
        const before = resets.map(({ hits }) => hits())
        const answer = await gateway.ask({ host: 'web.test', path: `/retry-${i}` })
        t.match(answer, { status: 200, json: { id: 'good' } })
        const tries = resets.map(({ hits }, n) => hits() - (before[n] ?? 0))
        t.ok(Math.max(...tries) <= 1, tries.join())
        tried.set(`/retry-${i}`, 1 + tries.reduce((sum, each) => sum + each, 0))
      }
      for (const [path, tries] of tried) {
        const line = await until(() => gateway.accessLog().find(({ uri }) => uri === path))
        t.match(line, { upstream: 'web', instance: 'p5', tries })
      }
    })

    t.test('all fail: 502 says so, and names no address', async (t) => {
      await serve(refusing, reset.address)
      const headers = { accept: 'application/json' }
      const answer = await gateway.ask({ host: 'web.test', headers })
      t.match(answer, { status: 502, json: { code: 'all_failed', detail: /web/ } })
      t.notMatch(JSON.stringify(answer), /127\.0\.0\.1|\.sock/)
      await serve(refusing)
      t.equal((await gateway.ask({ host: 'web.test' })).status, 502, 'a single one')
      await serve(good.address)
      t.match(await gateway.ask({ host: 'web.test' }), { json: { id: 'good' } }, 'and well again')
    })

    t.test('the pool is behind the table', async (t) => {
      await gateway.fillPool(refusing)
      await serve(good.address)
      t.match(await gateway.ask(post), whole, 'one that it should have and has not')
      t.match(await ask({ ...post, port: gateway.userPort, chunkBytes: 20_000 }), whole)
    })

    t.test('a peer that dies after the pool has changed', async (t) => {
      for (const port of [undefined, gateway.userPort]) {
        const held = await startBackend(t, 'held')
        await gateway.fillPool(held.address, good.address)
        await serve(held.address, good.address)
        const asked = [1, 2, 3].map((i) =>
          ask({ host: 'web.test', path: `/died-${i}?hold`, port: port ?? gateway.httpPort }),
        )
        // One in a thousand draws the good one at once.
        await until(() => held.held() + good.held() === asked.length)
        t.ok(held.held() > 0, `${held.held()} wait at the one that dies`)
        await gateway.fillPool(held.address, good.address, refusing)
        await held.stop()
        await until(() => good.held() === asked.length)
        good.release()
        for (const answer of await Promise.all(asked)) {
          t.match(answer, { status: 200, json: { id: 'good' } })
        }
      }
    })

    /** Whose tries counted as failures meanwhile. */
    const failedIn = async (run: () => Promise<unknown>): Promise<string[]> => {
      const read = async (from: number) =>
        (await gateway.admin('GET', `/events?from=${from}`)).json as {
          next: number
          events: string[]
        }
      const { next } = await read(0)
      await run()
      return (await read(next)).events.filter((each) => each.startsWith('f'))
    }
    const failureOf = (address: string): string[] => [`f${sidOfAddress(address)}`]

    t.test('a request that nobody can answer is the fault of no instance', async (t) => {
      const other = await startBackend(t, 'other')
      await gateway.fillPool(good.address, other.address)
      const poison = async (): Promise<void> => {
        for (let i = 0; i < 4; i++) {
          t.equal((await gateway.ask({ host: 'web.test', path: '/?reset' })).status, 502)
        }
      }
      await serve(good.address, other.address)
      t.same(await failedIn(poison), [])
      t.ok(good.ledger.length > 0 && other.ledger.length > 0, 'both were asked')
      t.match(await gateway.ask({ host: 'web.test' }), { status: 200 })
      await serve(good.address)
      t.same(await failedIn(poison), [], 'a single one')
      const peers = [good, other].map(({ id, address }) => ({ id, address, pooled: gateway.pool }))
      const measuring = { balance: 'r', measured: true } as const
      const ids = { main: ['good', 'other'] }
      await gateway.setTable(
        ruledUnit('web', peers, measuring, ids),
        hostUnit('web.test', [['/', ':web']]),
      )
      t.same(await failedIn(poison), [], 'where answers are measured')
      const errors = { sids: peers.map(({ address }) => sidOfAddress(address)) }
      t.match(await gateway.admin('POST', '/answers', errors), { json: { errors: [0, 0] } })
      await gateway.setTable(
        ruledUnit('web', peers, { balance: 'r', statuses: 30 }, ids),
        hostUnit('web.test', [['/', ':web']]),
      )
      const failing = async (): Promise<void> => {
        for (const status of [500, 502, 503, 504]) {
          const answer = await gateway.ask({ host: 'web.test', path: `/?status=${status}` })
          t.equal(answer.status, status)
        }
      }
      t.same(await failedIn(failing), [], 'an error that all of them answer')
    })

    t.test('what others answer is the fault of who did not', async (t) => {
      const hanging = await startFaultyBackend(t, 'hang')
      await gateway.fillPool(good.address, reset.address, hanging.address, refusing)
      const answered = async (question: Question): Promise<void> => {
        t.match(await gateway.ask({ host: 'web.test', ...question }), { json: { id: 'good' } })
      }
      await serve(reset.address, good.address)
      t.same(await failedIn(() => answered({})), failureOf(reset.address))
      await serve(hanging.address, good.address)
      const impatient = { path: '/impatient', port: gateway.userPort }
      t.same(await failedIn(() => answered(impatient)), failureOf(hanging.address))
      await serve(refusing)
      const refused = await failedIn(() => gateway.ask({ host: 'web.test' }))
      t.same(refused, failureOf(refusing), 'who refuses needs no other')
    })

    t.test('nothing failed inside', async (t) => {
      t.equal((await gateway.counters()).failed, 0)
      t.ok(((await gateway.counters()).retried ?? 0) > 20)
      t.notMatch(gateway.errorLog(), /\[(emerg|alert|crit)\]|js exception/)
    })
  })
}
