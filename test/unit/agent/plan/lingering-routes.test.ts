/** Routes that outlive the last container of their upstream. */
import t from 'tap'
import { LingeringRoutes } from '../../../../agent/plan/lingering-routes.js'

const INSTANCE = ['instances/web/node-1:web-1:80', '{}'] as const
const ROUTE = 'routes/agent-0123-a'

function route(upstream: string): string {
  return JSON.stringify({ hosts: ['app.test'], pathPrefix: '/', upstream })
}

const before = new Map([INSTANCE, [ROUTE, route('web')] as const])

t.test('a route outlives its last container for a while, then it goes', async (t) => {
  const lingering = new LingeringRoutes(1000)
  const wanted = new Map<string, string>()
  t.equal(lingering.keep(wanted, before, 5000), 1000)
  t.same([...wanted.keys()], [ROUTE])
  const later = new Map<string, string>()
  t.equal(lingering.keep(later, wanted, 5400), 600, 'the time does not begin anew')
  t.same([...later.keys()], [ROUTE])
  const last = new Map<string, string>()
  t.equal(lingering.keep(last, later, 6000), undefined)
  t.same([...last.keys()], [])
})

t.test('one that came back begins anew the next time', async (t) => {
  const lingering = new LingeringRoutes(1000)
  lingering.keep(new Map(), before, 5000)
  t.equal(lingering.keep(new Map(before), before, 5500), undefined)
  t.equal(lingering.keep(new Map(), before, 5900), 1000)
})

t.test('it goes at once where something else says otherwise', async (t) => {
  const lingering = new LingeringRoutes(1000)
  const cases: Array<[why: string, wanted: Array<readonly [string, string]>]> = [
    ['the upstream has a container, without that label', [INSTANCE]],
    [
      'the host leads elsewhere now',
      [
        ['instances/new/node-1:new-1:80', '{}'],
        ['routes/agent-0123-b', route('new')],
      ],
    ],
  ]
  for (const [why, entries] of cases) {
    const wanted = new Map(entries)
    t.equal(lingering.keep(wanted, before, 5000), undefined, why)
    t.notOk(wanted.has(ROUTE), why)
  }
  const bad = new Map<string, string>()
  t.equal(lingering.keep(bad, new Map([[ROUTE, 'no JSON']]), 5000), undefined)
  t.equal(bad.size, 0)
})
