/** All containers of a host → states, routes, and who is refused. */
import t from 'tap'
import type { InstanceRecord } from '../../../../contract/record/records.js'
import type { RouteRecord } from '../../../../contract/record/route.js'
import { runOf } from '../../../../agent/engine/container.js'
import type { Container } from '../../../../agent/engine/container.js'
import { makePlan, recall } from '../../../../agent/plan/plan.js'
import type { AgentHost } from '../../../../agent/plan/place.js'
import { container } from '../container-fixture.js'

const HOST: AgentHost = { agent: 'node-1', address: undefined, allowLoopback: false }
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
  t.same(stateOf({ status: 'stopped' }), {})
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

t.test('the older container keeps a host that two want', async (t) => {
  const labels = { 'sluice.host': 'a.example' }
  const old = container({ labels: { ...labels, 'sluice.upstream': 'zoo' } })
  const young = container({
    id: 'cd34'.repeat(16),
    name: 'a-young-one',
    createdAt: '2026-02-01T00:00:00Z',
    labels: { ...labels, 'sluice.upstream': 'web' },
  })
  for (const order of [
    [old, young],
    [young, old],
  ]) {
    const { entries, reports } = makePlan(order, HOST, none)
    const routes = [...entries].filter(([key]) => key.startsWith('routes/'))
    t.same(
      routes.map(([, value]) => (JSON.parse(value) as RouteRecord).upstream),
      ['zoo'],
    )
    t.match(reports[1]?.reading.refused, [
      { reason: /a\.example\/ belongs to upstream zoo, by container web-1/ },
    ])
    t.ok(entries.has('instances/web/node-1:a-young-one:80'), 'it serves all the same')
  }
})

t.test('two containers with one SERVICE_ID: the older one has it', async (t) => {
  const labels = { SERVICE_NAME: 'web', SERVICE_ID: 'x' }
  const young = container({
    id: 'cd34'.repeat(16),
    name: 'young',
    createdAt: '2026-02-01T00:00:00Z',
    networks: [{ name: 'bridge', address: '172.17.0.3' }],
    labels,
  })
  const { entries, reports } = makePlan([young, container({ labels })], HOST, none)
  t.match(entries.get('instances/web/x'), /172\.17\.0\.2/)
  t.match(reports[1]?.reading.refused, [{ reason: /another container's already/ }])
})

t.test('a refused container does not keep the others away', async (t) => {
  const bad = container({ name: 'bad', labels: { ...WEB, 'sluice.port': 'x' } })
  const { entries } = makePlan([bad, container({ labels: WEB })], HOST, none)
  t.same([...entries.keys()], ['instances/web/node-1:web-1:80', 'hosts/node-1'])
  t.match(entries.get('hosts/node-1'), /"containers":1/)
})

t.test('records tell the next life of the agent what this one knew', async (t) => {
  const it = container({ labels: WEB })
  const know = { signalled: new Set([runOf(it)]), answered: new Set([ANSWERED]) }
  for (const memory of [know, { ...know, signalled: new Set<string>() }]) {
    const { entries } = makePlan([it], HOST, memory)
    const records = [...entries]
      .filter(([key]) => key.startsWith('instances/'))
      .map(([, value]) => JSON.parse(value) as InstanceRecord)
    t.same(recall(records), memory)
    t.same(makePlan([it], HOST, recall(records)).entries, entries)
  }
})
