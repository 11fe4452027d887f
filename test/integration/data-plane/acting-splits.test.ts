// Routes that act and choose: conditions, splits and sticks together with rewrites, headers and
// redirects. From REST to the instance.
import t from 'tap'
import { startBackend } from '../../../lab/backends/backend.js'
import { startControlled } from '../../support/controlled.js'
import { GATEWAY_KINDS } from '../../../lab/nginx/gateway.js'
import type { Echo } from '../../support/echo.js'

t.setTimeout(170_000)

const CANARY = { headers: { 'X-Canary': 'always' } }

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const it = await startControlled(t, { kind })
    const put = async (path: string, body: object): Promise<void> => {
      const { status, body: answer } = await it.call('PUT', `/v1/${path}`, body)
      if (status > 201) {
        throw new Error(JSON.stringify(answer))
      }
    }
    for (const [upstream, id] of [
      ['web', 'a'],
      ['web', 'b'],
      ['next', 'n'],
    ]) {
      const { host, port } = await startBackend(t, `${id}`)
      const metadata = { version: `${id}` }
      await put(`upstreams/${upstream}/instances/${id}`, { host, port, metadata })
    }
    const ask = async (path: string, headers: Record<string, string> = {}) => {
      const {
        status,
        json,
        headers: answered,
      } = await it.gateway.ask({
        ...{ host: 'app.test', path, headers },
      })
      return { status, echo: (json ?? {}) as Partial<Echo>, headers: answered }
    }
    const who = async (path: string, headers: Record<string, string> = {}): Promise<string> => {
      const { status, echo } = await ask(path, headers)
      return status === 200 ? `${echo.id} ${echo.url}` : String(status)
    }
    const often = async (times: number, headers: Record<string, string> = {}) => {
      const seen = new Set<string>()
      for (let i = 0; i < times; i++) {
        seen.add(await who('/api/x', headers))
      }
      return [...seen].sort()
    }
    const app = { hosts: ['app.test'], pathPrefix: '/api', rewrite: { stripPrefix: true } }

    t.test('a route with conditions acts only where they hold', async (t) => {
      await put('routes/app', { ...app, upstream: 'web' })
      const beta = { ...app, ...CANARY, rewrite: { replacePrefix: '/v2' } }
      await put('routes/beta', { ...beta, upstream: 'next' })
      await put('routes/old', {
        ...{ hosts: ['app.test'], pathPrefix: '/api', arguments: { old: true } },
        redirect: { host: 'old.test', status: 301 },
      })
      t.same(await often(24), ['a /x', 'b /x'])
      t.equal(await who('/api/x', { 'X-Canary': 'always' }), 'n /v2/x')
      t.match(await who('/api/x', { 'X-Canary': 'never' }), /^[ab] \/x$/)
      const old = await ask('/api/x?old=1')
      t.match(old, { status: 301, headers: { location: 'http://old.test/api/x?old=1' } })
      t.match(await who('/api/x?old='), /^[ab] \/x\?old=$/)
      await it.call('DELETE', '/v1/routes/beta')
      await it.call('DELETE', '/v1/routes/old')
    })

    t.test('an arm that is forced, drawn or kept is asked as the route says', async (t) => {
      const forced = [
        { upstream: 'web', weight: 1 },
        { upstream: 'next', when: CANARY },
      ]
      await put('routes/app', { ...app, split: forced })
      t.same(await often(24), ['a /x', 'b /x'])
      t.equal(await who('/api/x?q', { 'X-Canary': 'always' }), 'n /x?q')

      const drawn = [
        { upstream: 'web', weight: 1, where: { version: 'b' } },
        { upstream: 'next', weight: 1 },
      ]
      await put('routes/app', { ...app, split: drawn })
      t.same(await often(40), ['b /x', 'n /x'])

      await put('routes/app', { ...app, split: drawn, stick: { by: 'hash', key: 'header:x-user' } })
      const users = Array.from({ length: 24 }, (_, i) => ({ 'X-User': `user-${i}` }))
      const seen = new Set<string>()
      for (const user of users) {
        const kept = await often(4, user)
        t.equal(kept.length, 1, `${user['X-User']} keeps ${kept.join()}`)
        kept.forEach((each) => seen.add(each))
      }
      t.same([...seen].sort(), ['b /x', 'n /x'])
    })

    t.test('a cookie of the arm comes through, and is kept to', async (t) => {
      const split = [
        { upstream: 'web', weight: 1 },
        { upstream: 'next', weight: 1 },
      ]
      const responseHeaders = { set: { 'X-By': 'route' } }
      await put('routes/app', { ...app, split, stick: { by: 'cookie' }, responseHeaders })
      const arms = new Set<string>()
      for (let i = 0; i < 16; i++) {
        const first = await ask('/api/x')
        t.equal(first.headers['x-by'], 'route')
        const given = first.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
        t.match(given, /^sluice-arm=/)
        const arm = first.echo.id === 'n' ? ['n /x'] : ['a /x', 'b /x']
        const kept = await often(6, { Cookie: given })
        t.same(
          kept.filter((each) => !arm.includes(each)),
          [],
          `${given} is ${arm.join()}`,
        )
        arms.add(arm.join())
      }
      t.equal(arms.size, 2)
    })

    t.test(
      'conditions and sticks are of what the client sent, not of what is made of it',
      async (t) => {
        const split = [
          { upstream: 'web', weight: 1 },
          { upstream: 'next', when: CANARY },
        ]
        const remove = { requestHeaders: { remove: ['X-Canary'] } }
        await put('routes/app', { ...app, split, ...remove })
        const { echo } = await ask('/api/x', { 'X-Canary': 'always' })
        t.match(echo, { id: 'n', url: '/x' })
        t.equal(echo.headers?.['x-canary'], undefined)
        const set = { requestHeaders: { set: { 'X-Canary': 'always' } } }
        await put('routes/app', { ...app, split, ...set })
        t.same(await often(12), ['a /x', 'b /x'])
      },
    )
  })
}

t.test('what routes of connections cannot do is refused by name', async (t) => {
  const it = await startControlled(t, { kind: 'njs' })
  const arm = { upstream: 'web', weight: 1 }
  const heads = [
    { port: 9100, protocol: 'tcp' },
    { port: 9100, protocol: 'udp' },
    { sni: ['db.test'] },
  ]
  const cases: Array<[more: object, field: string]> = [
    [{ split: [{ ...arm, where: { version: '2' } }] }, 'split[0].where'],
    [{ split: [arm, { upstream: 'next', when: CANARY }] }, 'split[1].when'],
    [{ split: [arm], stick: { by: 'hash', key: 'address' } }, 'stick'],
    [{ upstream: 'web', stick: { by: 'cookie' } }, 'stick'],
    [{ upstream: 'web', rewrite: { stripPrefix: true } }, 'rewrite'],
    [{ upstream: 'web', pages: { 503: {} } }, 'pages'],
    [{ upstream: 'web', headers: { 'X-A': true } }, 'headers'],
  ]
  for (const head of heads) {
    for (const [more, field] of cases) {
      const { status, body } = await it.call('PUT', '/v1/routes/db', { ...head, ...more })
      t.match({ status, ...(body as object) }, { status: 400, code: 'invalid', field }, field)
      t.match(body.detail, /for (requests, so for routes by host|routes of requests)/)
    }
  }
  t.equal((await it.call('GET', '/v1/routes/db')).status, 404)
})
