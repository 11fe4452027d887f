/** What an earlier life registered, at an engine that lists nothing of it. */
import t from 'tap'
import { FormerContainers } from '../../../../agent/plan/former-containers.js'
import { container } from '../container-fixture.js'

const ID = 'ab12'.repeat(16)

function instance(id: string, host: string, more: object = {}): [string, string] {
  const metadata = { container: id, containerId: ID.slice(0, 11) + id, startedAt: 'then' }
  const record = { host, port: 80, weight: 1, state: 'up', agent: 'node-1', metadata, ...more }
  return [`instances/web/node-1:${id}:80`, JSON.stringify(record)]
}

const route = (upstream: string): [string, string] => [
  `routes/agent.node-1.${upstream}`,
  JSON.stringify({ hosts: ['a.example'], pathPrefix: '/', upstream }),
]

const own = new Map([
  instance('1', '172.17.0.2'),
  instance('2', '172.17.0.3'),
  instance('3', '172.17.0.4', { state: 'down', reason: 'the container has stopped: exit code 1' }),
  route('web'),
])
const ended = new Set<string>()
const processes = {
  learn: () => undefined,
  lives: ({ id }: { id: string }) => !ended.has(id.slice(11)),
  hasEnded: ({ id }: { id: string }) => ended.has(id.slice(11)),
}

function held(former: FormerContainers, listed = [] as Array<ReturnType<typeof container>>) {
  const wanted = new Map<string, string>()
  const names = former.hold(wanted, own, listed)
  return { names, wanted }
}

t.test('what lives stays, with its routes; what has ended is down', async (t) => {
  const former = new FormerContainers(own, { processes })
  t.same(held(former).names, ['1', '2'])
  t.match([...held(former).wanted.keys()], [/1:80/, /2:80/, /^routes/])
  ended.add('1')
  const [first, second] = [...held(former).wanted.values()]
  t.match(JSON.parse(first ?? ''), { state: 'down', reason: /process has ended/ })
  t.match(JSON.parse(second ?? ''), { state: 'up' })
  ended.clear()
})

t.test('an engine that lists one of them is believed from then on', async (t) => {
  const former = new FormerContainers(own, { processes })
  const listed = container({ id: ID.slice(0, 11) + '2' + ID.slice(12) })
  t.same(held(former, [listed]).names, [])
  t.same(held(former).names, [])
})

t.test('an address that a listed container has now is nobody else’s', async (t) => {
  const former = new FormerContainers(own, { processes })
  const other = container({ id: 'cd34'.repeat(16) })
  t.match([...held(former, [other]).wanted.keys()], [/2:80/, /^routes/])
})

t.test('where no process is seen, several are held for a while; nobody by hand', async (t) => {
  const blind = { ...processes, lives: () => false }
  t.same(held(new FormerContainers(own, { processes: blind })).names, ['1', '2'])
  t.same(held(new FormerContainers(own, { processes: blind, holdMs: 0 })).names, [])
  const former = new FormerContainers(own, { processes })
  former.forget(new Set(['1', '2'].map((id) => ID.slice(0, 11) + id)))
  t.same(held(former).names, [])
})
