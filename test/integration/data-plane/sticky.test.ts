// Sessions by cookie, from REST to the browser: who keeps one, who loses it, and what a forged one
// is worth.
import { createHash } from 'node:crypto'
import t from 'tap'
import { tokenOf } from '../../../controller/table/upstream-rules.js'
import { startBackend } from '../../../lab/backends/backend.js'
import type { Backend } from '../../../lab/backends/backend.js'
import type { Registry } from '../../../registry/registry.js'
import { openEtcd } from '../../../registry/etcd/registry.js'
import { silentLogger } from '../../../runtime/logger.js'
import { startEtcd } from '../../../lab/engines/etcd.js'
import { startControlled } from '../../support/controlled.js'
import type { Controlled } from '../../support/controlled.js'
import { noEtcdSettings } from '../../support/registry-subjects.js'
import { GATEWAY_KINDS } from '../../../lab/nginx/gateway.js'
import type { GatewayKind } from '../../../lab/nginx/gateway.js'
import { until } from '../../../lab/until.js'
import { sendRaw } from '../../support/raw-http.js'

t.setTimeout(170_000)

const ATTRIBUTES = '; Path=/shop; Max-Age=60; HttpOnly; Secure; SameSite=Strict'
const STICKY = { by: 'cookie', name: 'sl', ttlMs: 60_000, path: '/shop', secure: true }

interface Visit {
  by: string
  /** What the answer sets; '' for nothing. */
  cookie: string
}

interface SetUp {
  visit: (cookie?: string, host?: string) => Promise<Visit>
  /** Who answers this cookie, over some requests, and that none of them is given another. */
  kept: (cookie: string) => Promise<string[]>
  /**
   * Waits until the pool, where there is one, brings this cookie to this backend over connections
   * that it keeps.
   */
  pooled: (cookie: string, backend: Backend) => Promise<void>
  register: (backend: Backend, id?: string, upstream?: string) => Promise<void>
  policy: (sticky: object, upstream?: string) => Promise<void>
  drain: (id: string, how: 'drain' | 'undrain') => Promise<void>
  /** The cookie that the registry's key makes of an instance. */
  cookieOf: (id: string, upstream?: string) => string
  controlled: Controlled
}

/** By which cookies name instances, as the registry has it. */
async function keyIn(registry: Registry): Promise<string> {
  const { entry } = await registry.get('secrets/sessions')
  return (JSON.parse(entry?.value ?? '{}') as { key: string }).key
}

/** As anybody could make it who knows the names alone. */
function unkeyed(upstream: string, id: string): string {
  return createHash('sha256').update(`main/${upstream}/${id}`).digest('hex').slice(0, 16)
}

async function setUp(t: Parameters<typeof startControlled>[0], kind: GatewayKind): Promise<SetUp> {
  const controlled = await startControlled(t, { kind })
  const { gateway, call, registry } = controlled
  const key = await until(() => keyIn(registry))
  /** With status 200, all gateways have it. */
  const change = async (method: string, path: string, body?: object): Promise<void> => {
    const answer = await call(method, `/v1/upstreams/${path}`, body)
    if (answer.status > 201) {
      throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    }
  }
  const visit: SetUp['visit'] = async (cookie, host = 'shop.localhost') => {
    const answer = await gateway.ask({ host, headers: cookie === undefined ? {} : { cookie } })
    const { id } = (answer.json ?? { id: String(answer.status) }) as { id: string }
    return { by: id, cookie: answer.headers['set-cookie']?.join('|') ?? '' }
  }
  const kept: SetUp['kept'] = async (cookie) => {
    const by = new Set<string>()
    for (let i = 0; i < 8; i++) {
      const visited = await visit(cookie)
      by.add(visited.cookie === '' ? visited.by : `${visited.by} with ${visited.cookie}`)
    }
    return [...by]
  }
  const isPooled = async (cookie: string, { connections }: Backend): Promise<boolean> => {
    const before = connections()
    await kept(cookie)
    return connections() === before
  }
  return {
    visit,
    kept,
    pooled: async (cookie, backend) => {
      if (gateway.pool) {
        await until(() => isPooled(cookie, backend), { what: 'the pool' })
      }
    },
    register: ({ id, host, port }, as = id, upstream = 'shop') =>
      change('PUT', `${upstream}/instances/${as}`, { host, port }),
    policy: (sticky, upstream = 'shop') =>
      change('PUT', upstream, { policy: { balance: 'roundRobin', sticky } }),
    cookieOf: (id, upstream = 'shop') => `sl=${tokenOf(key, upstream, id)}`,
    controlled,
    drain: (id, how) => change('POST', `shop/instances/${id}/${how}`),
  }
}

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const { visit, kept, pooled, register, policy, drain, cookieOf, controlled } = await setUp(
      t,
      kind,
    )
    const [a, b, moved] = await Promise.all(['a', 'b', 'moved'].map((id) => startBackend(t, id)))
    if (a === undefined || b === undefined || moved === undefined) {
      throw new Error('no backends')
    }
    await policy({ ...STICKY, sameSite: 'strict' })
    await register(a)
    await register(b)

    t.test('the first answer gives a cookie, and its instance keeps the client', async (t) => {
      const first = [await visit(), await visit()]
      t.same(first.map(({ by }) => by).sort(), ['a', 'b'])
      for (const { by, cookie } of first) {
        t.equal(cookie, cookieOf(by) + ATTRIBUTES)
        t.same(await kept(cookieOf(by)), [by])
        await pooled(cookieOf(by), by === 'a' ? a : b)
        t.same(await kept(cookieOf(by)), [by])
        t.same(await kept(`x=1; ${cookieOf(by)}; sluice=2`), [by], 'among other cookies')
      }
    })

    t.test('a forged cookie names nobody, and is replaced', async (t) => {
      await policy(STICKY, 'other')
      await register(moved, 'c', 'other')
      const forged = [
        cookieOf('c', 'other'),
        `sl=${unkeyed('shop', 'a')}`,
        `sl=${tokenOf('', 'shop', 'a')}`,
        `sl=${'f'.repeat(16)}`,
        `sl=${cookieOf('a').slice(3).toUpperCase()}`,
        `${cookieOf('a')}0`,
        ...['sl=a', 'sl=', 'sl=#0', 'sl=$', `sl=${a.address}`, 'sl=../a', `sl=${'0'.repeat(3000)}`],
        cookieOf('a').replace('sl', 'another'),
      ]
      for (const cookie of forged) {
        const visits = [await visit(cookie), await visit(cookie)]
        const by = visits.map((one) => one.by).sort()
        t.same(by, ['a', 'b'], cookie.slice(0, 40))
        visits.forEach((one) => t.equal(one.cookie, cookieOf(one.by) + ATTRIBUTES))
      }
      t.match(await visit(cookieOf('a'), 'other.localhost'), { by: 'moved', cookie: /^sl=/ })
      // A controller that starts takes all that it knows for pooled, so all of it has to be.
      await until(async () => {
        const before = moved.connections()
        await visit(cookieOf('c', 'other'), 'other.localhost')
        return !controlled.gateway.pool || moved.connections() === before
      })
    })

    t.test('of two cookies of one name the first counts, in one line or in two', async (t) => {
      const byLines = async (...cookies: string[]): Promise<string> => {
        const lines = ['Host: shop.localhost', ...cookies.map((each) => `Cookie: ${each}`)]
        const request = `GET / HTTP/1.1\r\n${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`
        const { socket, text } = sendRaw(t, controlled.gateway.httpPort, request)
        await new Promise((resolve) => socket.once('close', resolve))
        const isGiven = /^set-cookie: sl=/im.test(text())
        return `${/"id":"(\w+)"/.exec(text())?.[1] ?? text()}${isGiven ? ' anew' : ''}`
      }
      for (const [one, other] of [
        ['a', 'b'],
        ['b', 'a'],
      ] as const) {
        const [first, second] = [cookieOf(one), cookieOf(other)]
        t.same(await kept(`${first}; ${second}`), [one])
        t.equal(await byLines(first, second), one)
        t.match(await byLines('sl=nobody', second), / anew$/, 'one that names nobody, too')
        t.match((await visit(`sl=nobody; ${second}`)).cookie, /^sl=/)
      }
    })

    t.test('another controller keeps the sessions, and the API shows no key', async (t) => {
      const { call, registry } = controlled
      await controlled.stop()
      await controlled.start()
      t.same(await kept(cookieOf('a')), ['a'])
      const key = await keyIn(registry)
      const paths = ['registry/entries', 'registry/entries?prefix=secrets', 'status', 'gateways']
      const own = [
        'registry/entry?key=secrets/sessions',
        'explain?host=shop.localhost&cookie=sl%3D',
      ]
      for (const path of [...paths, ...own].map((each) => `/v1/${each}`).concat('/metrics')) {
        const { status, body } = await call('GET', path)
        t.equal(status, 200, path)
        t.notOk(JSON.stringify(body).includes(key), path)
      }
      const value = JSON.stringify({ key: 'a'.repeat(64) })
      for (const type of ['put', 'delete']) {
        const operations = [{ type, key: 'secrets/sessions', ...(type === 'put' && { value }) }]
        t.equal((await call('POST', '/v1/registry/commit', { operations })).status, 403, type)
      }
      t.equal(await keyIn(registry), key)
    })

    t.test('a drained instance loses its sessions, or keeps them by policy', async (t) => {
      await drain('a', 'drain')
      t.same(await visit(cookieOf('a')), { by: 'b', cookie: cookieOf('b') + ATTRIBUTES })
      await policy({ ...STICKY, sameSite: 'strict', keepDraining: true })
      t.same(await kept(cookieOf('a')), ['a'])
      for (let i = 0; i < 4; i++) {
        t.equal((await visit()).by, 'b', 'nobody new')
      }
      await policy({ ...STICKY, sameSite: 'strict' })
      await drain('a', 'undrain')
      t.same(await kept(cookieOf('a')), ['a'])
    })

    t.test('an instance that comes again elsewhere keeps its sessions', async (t) => {
      await register(moved, 'a')
      t.same(await kept(cookieOf('a')), ['moved'])
      await pooled(cookieOf('a'), moved)
      t.same(await kept(cookieOf('a')), ['moved'])
      t.same(await kept(cookieOf('b')), ['b'])
    })

    t.test('a dead one is left for another, by whose cookie the client stays', async (t) => {
      await moved.stop()
      t.same(await visit(cookieOf('a')), { by: 'b', cookie: cookieOf('b') + ATTRIBUTES })
      t.same(await kept(cookieOf('b')), ['b'])
    })
  })
}

t.test('a session survives another gateway of the same etcd', async (t) => {
  const etcd = await startEtcd()
  t.teardown(() => etcd.stop())
  const url = `etcd://127.0.0.1:${etcd.clientPort}`
  const open = (): Registry => {
    const registry = openEtcd({ url, cluster: 'main', settings: noEtcdSettings, log: silentLogger })
    t.teardown(() => registry.close())
    return registry
  }
  const [one, two] = await Promise.all(
    ['njs', 'byAddress'].map((kind) =>
      startControlled(t, { kind: kind as GatewayKind, registry: open() }),
    ),
  )
  const [a, b] = await Promise.all(['a', 'b'].map((id) => startBackend(t, id)))
  if (one === undefined || two === undefined || a === undefined || b === undefined) {
    throw new Error('not all came')
  }
  const key = await until(() => keyIn(one.registry))
  await until(() => [one, two].every(({ controller }) => controller.sessionKey() === key))
  const operations = [a, b].map(({ id, host, port }) => {
    const path = `/v1/upstreams/shop/instances/${id}`
    return { method: 'PUT', path, body: { host, port } }
  })
  const policy = { balance: 'roundRobin', sticky: { by: 'cookie', name: 'sl' } }
  const shop = { method: 'PUT', path: '/v1/upstreams/shop', body: { policy } }
  const done = await one.call('POST', '/v1/batch', { operations: [shop, ...operations] })
  t.match(done, { status: 200, body: { applied: true } })
  for (const id of ['a', 'b']) {
    const headers = { cookie: `sl=${tokenOf(key, 'shop', id)}` }
    for (const { gateway } of [one, two, one, two]) {
      const answer = await gateway.ask({ host: 'shop.localhost', headers })
      t.match(answer, { status: 200, json: { id } })
      t.equal(answer.headers['set-cookie'], undefined)
    }
  }
})
