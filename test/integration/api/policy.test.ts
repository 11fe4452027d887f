/** Policies by REST. */
import t from 'tap'
import { problem, testApi } from '../../support/api.js'

const WEB = '/v1/upstreams/web'
const DEFAULT = { balance: 'random' }

t.test(
  'a patch with no policy takes it back to the default, a put says what it wants',
  async (t) => {
    const { call } = await testApi(t)
    await call('PUT', WEB, { policy: { balance: 'leastConn', slowStartMs: 5000 } })
    t.same((await call('PATCH', WEB, { policy: null })).body.policy, DEFAULT)
    t.same((await call('GET', WEB)).body.policy, DEFAULT)
    await call('PUT', WEB, { policy: { balance: 'leastConn' } })
    const refused = problem(await call('PUT', WEB, { policy: null }))
    t.same(refused, { status: 400, code: 'invalid', field: 'policy' })
    t.same((await call('GET', WEB)).body.policy, { balance: 'leastConn' }, 'nothing is lost')
  },
)

t.test('no check asks Sluice itself', async (t) => {
  const { call, control } = await testApi(t)
  const own = control.settings.httpPort
  const check = (port: number) => ({ policy: { check: { type: 'tcp', port } } })
  const refusal = { status: 400, code: 'invalid', field: 'policy.check.port' }
  const put = (id: string, host: string, port = 9001) =>
    call('PUT', `${WEB}/instances/${id}`, { host, port })

  await put('a', '10.0.0.7')
  t.equal((await call('PUT', WEB, check(own))).status, 200, 'that port of another machine')
  const instance = await put('b', '127.0.0.1')
  t.same(problem(instance), refusal)
  t.match(instance.body.detail, `127.0.0.1:${own} is an address that Sluice itself listens on`)
  t.equal((await call('PATCH', WEB, { policy: { check: { port: 9002 } } })).status, 200)
  t.equal((await put('b', '127.0.0.1')).status, 201)
  for (const method of ['PUT', 'PATCH']) {
    t.same(problem(await call(method, WEB, check(own))), refusal, method)
  }
  t.match((await call('GET', WEB)).body.policy.check, { port: 9002 })
})
