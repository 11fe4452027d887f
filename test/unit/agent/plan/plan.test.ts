/** All containers of a host → states, routes, and who is refused. */
import t from 'tap'
import type { InstanceRecord } from '../../../../contract/record/instance-record.js'
import type { RouteRecord } from '../../../../contract/record/route.js'
import { runOf } from '../../../../agent/engine/container.js'
import type { Container } from '../../../../agent/engine/container.js'
import { makePlan } from '../../../../agent/plan/plan.js'
import { recall } from '../../../../agent/plan/recall.js'
import type { AgentMachine } from '../../../../agent/plan/instance-address.js'
import { container } from '../container-fixture.js'

const HOST: AgentMachine = { agent: 'node-1', address: undefined, allowLoopback: false }
const WEB = { 'sluice.upstream': 'web' }
const ANSWERED = `${runOf(container())} 172.17.0.2 80`

interface Seen {
  state?: string | undefined
  reason?: string | undefined
}

function stateOf(changes: Partial<Container>, signalled = false, answered = true): Seen {
  const it = container({ labels: WEB, ...changes })
  const { entries } = makePlan([it], HOST, {
    signalled: new Set(signalled ? [runOf(it)] : []),
    answered: new Set(answered ? [ANSWERED] : []),
  })
  const value = entries.get('instances/web/node-1:web-1:80')
  if (value === undefined) {
    return {}
  }
  const { state, reason } = JSON.parse(value) as InstanceRecord
  return { state, ...(reason !== undefined && { reason }) }
}

const none = { signalled: new Set<string>(), answered: new Set<string>() }

t.test('the state of a container', async (t) => {
  t.same(stateOf({}), { state: 'up' })
  t.match(stateOf({}, false, false), { state: 'down', reason: /does not take connections/ })
  t.same(stateOf({ health: 'healthy' }, false, false), { state: 'up' }, 'no answer is needed')
  t.match(stateOf({ health: 'starting' }), { state: 'down', reason: /starting/ })
  t.match(stateOf({ health: 'unhealthy' }), { state: 'down', reason: /unhealthy/ })
  t.match(stateOf({}, true), { state: 'draining', reason: /told to stop/ })
  t.match(stateOf({ health: 'unhealthy' }, true), { state: 'draining' })
  t.match(stateOf({ status: 'paused' }), { state: 'down', reason: /paused/ })
  t.match(stateOf({ status: 'paused' }, true), { state: 'down', reason: /paused/ })
  t.same(stateOf({ status: 'stopped' }), {}, 'one that was never registered')
})

t.test('a signal counts for one run only', async (t) => {
  const before = container({ labels: WEB })
  const after = container({ labels: WEB, startedAt: '2026-01-01T00:05:00Z' })
  const memory = { signalled: new Set([runOf(before)]), answered: new Set<string>() }
  const { entries } = makePlan([after], HOST, memory)
  t.match(entries.get('instances/web/node-1:web-1:80'), /"state":"down"/)
})

t.test('only what decides something is tried', async (t) => {
  const targets = (changes: Partial<Container>) =>
    makePlan([container({ labels: WEB, ...changes })], HOST, none).targets.length
  t.equal(targets({}), 1)
  t.equal(targets({ health: 'starting' }), 0)
  t.equal(targets({ status: 'paused' }), 0)
  t.equal(targets({ status: 'stopped' }), 0)
})

const HOST_LABEL = { 'sluice.host': 'a.example' }
const OLD = container({ labels: { ...HOST_LABEL, 'sluice.upstream': 'blue' } })
const YOUNG = container({
  id: 'cd34'.repeat(16),
  name: 'a-young-one',
  createdAt: '2026-02-01T00:00:00Z',
  networks: [{ name: 'bridge', address: '172.17.0.3' }],
  labels: { ...HOST_LABEL, 'sluice.upstream': 'green' },
})

/** The upstream that a.example leads to. `up` are those that have answered. */
function owner(containers: Container[], up: Container[], before = new Map<string, string>()) {
  const answered = up.map((each) => `${runOf(each)} ${each.networks[0]?.address} 80`)
  const seen = { signalled: new Set<string>(), answered: new Set(answered), before }
  const plan = makePlan(containers, HOST, seen)
  const routes = [...plan.entries].filter(([key]) => key.startsWith('routes/'))
  const upstreams = routes.map(([, value]) => (JSON.parse(value) as RouteRecord).upstream)
  return { ...plan, upstreams }
}

t.test('a host that two upstreams want: the one that is up has it', async (t) => {
  for (const order of [
    [OLD, YOUNG],
    [YOUNG, OLD],
  ]) {
    t.same(owner(order, []).upstreams, ['blue'], 'none is up: the older')
    t.same(owner(order, [OLD, YOUNG]).upstreams, ['blue'], 'both are up: the older')
    t.same(owner(order, [YOUNG]).upstreams, ['green'])
  }
  const { entries, reports, contested } = owner([OLD, YOUNG], [OLD])
  t.match(reports[1]?.reading.refused, [
    { reason: /a\.example\/ belongs to upstream blue, by container web-1, which is up/ },
  ])
  const message = /belongs to upstream blue.*; upstream green \(container .*\) wants it, too/
  t.match(contested, [{ claim: 'a.example/', message }])
  t.equal(contested.length, 1)
  t.ok(entries.has('instances/green/node-1:a-young-one:80'), 'it serves all the same')
})

t.test(
  'blue and green: who has the host stays while it is up, and yields when it is not',
  async (t) => {
    const green = owner([OLD, YOUNG], [YOUNG])
    const back = owner([OLD, YOUNG], [OLD, YOUNG], green.entries)
    t.same(back.upstreams, ['green'], 'the older one is back, and does not take it')
    t.same(owner([OLD, YOUNG], [OLD], back.entries).upstreams, ['blue'])
    const ended = { ...YOUNG, status: 'stopped' as const }
    t.same(owner([OLD, ended], [OLD], back.entries).upstreams, ['blue'])
  },
)

t.test('a container that has stopped leaves its instance down, and says why', async (t) => {
  const it = container({ labels: { ...WEB, ...HOST_LABEL } })
  const before = owner([it], [it]).entries
  const ended = {
    ...container({ labels: it.labels, networks: [{ name: 'bridge', address: undefined }] }),
    ...{ status: 'stopped' as const, end: { exitCode: 137, outOfMemory: true } },
  }
  const { entries, upstreams, reports } = owner([ended], [], before)
  t.same(reports[0]?.reading.refused, [], 'that it has no address is no fault')
  const value = entries.get('instances/web/node-1:web-1:80') ?? '{}'
  t.match(JSON.parse(value), {
    ...{ state: 'down', host: '172.17.0.2' },
    reason: 'the container has stopped: exit code 137, out of memory',
  })
  t.same(upstreams, ['web'], 'and its host')
  t.match(entries.get('hosts/node-1'), /"containers":0/)
  t.same([...owner([], [], entries).entries.keys()], ['hosts/node-1'], 'until it is removed')
})

t.test('two containers share no upstream that nobody named when their hosts differ', async (t) => {
  const named = (name: string, id: string, host: string, labels = {}) =>
    container({
      ...{ name, id: id.repeat(16), networks: [{ name: 'bridge', address: '172.17.0.3' }] },
      labels: { 'sluice.host': host, ...compose, ...labels },
    })
  const compose = {
    'com.docker.compose.project': 'shop',
    'com.docker.compose.service': 'web',
  }
  const refusals = (...containers: Container[]) =>
    makePlan(containers, HOST, none).reports.flatMap(({ reading }) => reading.refused)
  const one = named('a', 'ab12', 'a.example')
  t.same(refusals(one, named('b', 'cd34', 'a.example')), [], 'replicas of a service')
  t.match(refusals(one, named('b', 'cd34', 'b.example')), [
    { reason: /upstream shop-web is container a's, which has other hosts; name one by/ },
  ])
  const both = { 'sluice.upstream': 'shop-web' }
  t.same(refusals(named('a', 'ab12', 'a.x', both), named('b', 'cd34', 'b.x', both)), [])
  const folded = [
    named('a', 'ab12', 'a.x', { 'sluice.upstream': 'my_svc' }),
    named('b', 'cd34', 'a.x', { 'sluice.upstream': 'my.svc' }),
  ]
  t.match(refusals(...folded), [{ reason: /"my\.svc" and container a's "my_svc" become one name/ }])
})

t.test('two containers with one SERVICE_ID: the older one has it', async (t) => {
  const labels = { SERVICE_NAME: 'web', SERVICE_ID: 'x' }
  const published = [{ port: 80, hostAddress: '', hostPort: 32768 }]
  const young = container({
    id: 'cd34'.repeat(16),
    name: 'young',
    createdAt: '2026-02-01T00:00:00Z',
    networks: [{ name: 'bridge', address: '172.17.0.3' }],
    ...{ labels, published },
  })
  const { entries, reports } = makePlan([young, container({ labels, published })], HOST, none)
  t.match(entries.get('instances/web/x'), /172\.17\.0\.2/)
  t.match(reports[1]?.reading.refused, [{ reason: /another container's already/ }])
})

t.test('a refused container does not keep the others away', async (t) => {
  const bad = container({ name: 'bad', labels: { ...WEB, 'sluice.port': 'x' } })
  const { entries } = makePlan([bad, container({ labels: WEB })], HOST, none)
  t.same([...entries.keys()], ['instances/web/node-1:web-1:80', 'hosts/node-1'])
  t.match(entries.get('hosts/node-1'), /"containers":1/)
})

t.test('records hand the next run of the agent what this one knew', async (t) => {
  const it = container({ labels: WEB })
  const doubtful = new Set<string>()
  const know = { signalled: new Set([runOf(it)]), answered: new Set([ANSWERED]), doubtful }
  const running = { ...know, signalled: new Set<string>() }
  for (const memory of [know, running, { ...running, doubtful: new Set([ANSWERED]) }]) {
    const { entries } = makePlan([it], HOST, memory)
    const records = [...entries]
      .filter(([key]) => key.startsWith('instances/'))
      .map(([, value]) => JSON.parse(value) as InstanceRecord)
    t.same(recall(records), memory)
    t.same(makePlan([it], HOST, recall(records)).entries, entries)
  }
})

t.test('one that its agent does not reach says so, and is tried on', async (t) => {
  const seen = { ...none, answered: new Set([ANSWERED]), doubtful: new Set([ANSWERED]) }
  const { entries, targets } = makePlan([container({ labels: WEB })], HOST, seen)
  t.match(JSON.parse(entries.get('instances/web/node-1:web-1:80') ?? ''), {
    state: 'up',
    reason: /^agent node-1 does not reach this address; each gateway/,
  })
  t.equal(targets.length, 1)
})
