/** What an agent may have next to what other agents have. */
import t from 'tap'
import { contest } from '../../../../agent/register/route-contest.js'
import type { Registered } from '../../../../agent/register/reconcile.js'
import type { Rivals } from '../../../../agent/register/agent-records.js'

const ROUTE = 'routes/agent-aaaa-1'
const THEIRS = 'routes/agent-bbbb-1'

const instance = (upstream: string, state: string): [string, string] => [
  `instances/${upstream}/a`,
  JSON.stringify({ host: '10.0.0.1', port: 80, weight: 1, state }),
]
const route = (upstream: string, host = 'a.example'): [string, string] => [
  ROUTE,
  JSON.stringify({ hosts: [host], pathPrefix: '/', upstream }),
]
const rivals = (up: string[], more: Partial<Rivals> = {}): Rivals => ({
  routes: [{ key: THEIRS, revision: 7, claim: 'a.example/', upstream: 'green' }],
  ...{ upstreams: new Set(['green']), up: new Set(up) },
  ...more,
})

function outcome(state: string, up: string[], own?: Registered) {
  const wanted = new Map([instance('blue', state), route('blue')])
  const registered = new Map(own === undefined ? [] : [[ROUTE, own]])
  return contest({ wanted, registered, rivals: rivals(up), unnamed: new Map() })
}

t.test('a host goes from who is not up to who is, in one commit', async (t) => {
  const { takeovers, withheld } = outcome('up', [])
  t.same(withheld.size, 0)
  t.match(takeovers, [
    {
      operations: [
        { type: 'delete', key: THEIRS, ifRevision: 7 },
        { type: 'put', key: ROUTE, ifRevision: 0 },
      ],
    },
  ])
})

t.test('among those that are up, and among those that are not, the first has it', async (t) => {
  for (const [state, up] of [
    ['up', ['green']],
    ['down', []],
    ['draining', ['green']],
  ] as const) {
    const { wanted, takeovers, withheld } = outcome(state, [...up])
    t.same(takeovers, [])
    t.notOk(wanted.has(ROUTE))
    t.match(withheld.get(ROUTE), /a\.example\/ belongs to upstream green/)
  }
  const earlier = { value: route('blue')[1], bound: true, revision: 3 }
  t.match(outcome('up', ['green'], earlier).takeovers, [{ operations: [{ key: THEIRS }] }])
  const later = { ...earlier, revision: 9 }
  t.notOk(
    outcome('up', ['green'], later).wanted.has(ROUTE),
    'both put it at once: the later yields',
  )
})

t.test('one upstream from two hosts is no contest', async (t) => {
  const wanted = new Map([instance('green', 'up'), route('green')])
  const input = { wanted, registered: new Map(), rivals: rivals(['green']), unnamed: new Map() }
  const { takeovers, withheld } = contest(input)
  t.same([takeovers.length, withheld.size], [0, 0])
})

t.test('no upstream that nobody named is shared by two hosts for different names', async (t) => {
  const [key, value] = instance('green', 'up')
  const outcome = (host: string, registered: ReadonlyMap<string, Registered> = new Map()) =>
    contest({
      wanted: new Map([[key, value], route('green', host)]),
      ...{ registered, rivals: rivals(['green']) },
      unnamed: new Map([['green', `${host}/`]]),
    })
  t.same([...outcome('b.example').withheld.keys()], [key, ROUTE])
  t.match(outcome('b.example').withheld.get(key), /name this one by the label sluice\.upstream/)
  t.same(outcome('a.example').withheld.size, 0, 'replicas on two hosts')
  const first = new Map([[key, { value, bound: true }]])
  t.same(outcome('b.example', first).withheld.size, 0, 'who is there already stays')
})
