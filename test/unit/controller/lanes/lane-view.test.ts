/** How upstreams and requests are shown to be served. */
import t from 'tap'
import { LaneViews, gateOf, showRequest } from '../../../../controller/lanes/lane-view.js'
import type { LanesNow } from '../../../../controller/lanes/lane-view.js'
import type { Gate, GatedHost, Lane, LanePlan } from '../../../../controller/lanes/lane.js'
import type { LaneNow } from '../../../../controller/views.js'

function lane(upstream: string): Lane {
  return { id: upstream, upstream, isLeastConn: false, maxFails: 1, failTimeoutMs: 1000 }
}

function gate(host: string, first: string, upstream: string): Gate {
  return { id: host + first, host, prefix: first, arms: [{ lane: lane(upstream), weight: 1 }] }
}

const PATHS: GatedHost = {
  host: 'paths',
  byPrefix: new Map([
    ['/', gate('paths', '/', 'web')],
    ['/api', gate('paths', '/api', 'api')],
    ['/api/v2', gate('paths', '/api/v2', 'api')],
    ['/api/*', undefined],
    ['/deep/only', gate('paths', '/deep/only', 'api')],
    ['/table', undefined],
  ]),
}
const WHOLE: GatedHost = { host: 'whole', byPrefix: new Map([['/', gate('whole', '/', 'web')]]) }
const HOSTS = [PATHS, WHOLE]
const CLOSED: LaneNow = { state: 'closed', reason: 'nobody is up' }

function planOf(refused: Record<string, string>): LanePlan {
  const gates = HOSTS.flatMap(({ byPrefix }) =>
    [...byPrefix.values()].flatMap((each) => each ?? []),
  )
  return {
    lanes: new Map(),
    gates: new Map(gates.map((each) => [each.id, each])),
    hosts: HOSTS,
    named: [],
    refused: new Map(Object.entries(refused)),
  }
}

t.test('a request passes the gate that nginx would find for it', (t) => {
  const idOf = (host: string, path: string) => gateOf(HOSTS, host, path)?.id
  t.equal(idOf('whole', '/a//%2f/b'), 'whole/', 'its path does not matter')
  t.equal(idOf('whole', '/.well-known/acme-challenge/x'), undefined, 'a location of its own')
  t.equal(idOf('other', '/'), undefined)
  t.equal(idOf('paths', '/'), 'paths/')
  t.equal(idOf('paths', '/other/api'), 'paths/')
  t.equal(idOf('paths', '/api'), 'paths/api')
  t.equal(idOf('paths', '/api/v1?x=//'), 'paths/api')
  t.equal(idOf('paths', '/api/'), 'paths/api')
  t.equal(idOf('paths', '/api/v2'), 'paths/api/v2')
  t.equal(idOf('paths', '/api/v2/x/?/api'), 'paths/api/v2')
  t.equal(idOf('paths', '/api/v2x'), 'paths/api')
  t.equal(idOf('paths', '/api/V2'), undefined, 'a map would take it for another')
  t.equal(idOf('paths', '/deep/only/x'), 'paths/deep/only')
  t.equal(idOf('paths', '/deep/Only'), 'paths/')
  t.equal(idOf('paths', '/deep'), 'paths/')
  t.equal(idOf('paths', '/api?%2f'), 'paths/api')
  t.equal(idOf('paths', '/apis'), 'paths/')
  t.equal(idOf('paths', '/table/x'), undefined)
  t.equal(idOf('paths', '/API/x'), 'paths/', 'no route has such a segment')
  for (const path of ['/api/%2e', '/api//x', '/x/../api', '//api']) {
    t.equal(idOf('paths', path), undefined, path)
  }
  t.end()
})

t.test('an upstream is open where all of its gates are, and says why not', (t) => {
  const open = new Set(['paths/', 'whole/'])
  const found = new Map<string, Lane | string>([
    ['web', lane('web')],
    ['api', lane('api')],
    ['sticky', 'sticky'],
    ['alone', lane('alone')],
  ])
  const plan = planOf({ sticky: 'sticky' })
  const now: LanesNow = {
    ...{ found, plan },
    isOpen: (id) => open.has(id),
    whyShut: () => CLOSED,
  }
  const views = new LaneViews()
  t.ok(views.update(now))
  t.match(views.all.get('web'), { state: 'open', reason: undefined, sinceAtMs: Number })
  t.match(views.all.get('api'), CLOSED)
  t.match(views.all.get('sticky'), { state: 'none', reason: 'sticky' })
  t.match(views.all.get('alone'), { state: 'none', reason: /no route/ })
  t.same(views.counts(), { open: 1, closed: 1, none: 2 })
  const since = views.all.get('web')
  t.notOk(views.update(now), 'no news')
  t.equal(views.all.get('web'), since)

  open.delete('whole/')
  t.ok(views.update(now))
  t.match(views.all.get('web'), CLOSED)
  found.delete('sticky')
  t.ok(views.update({ ...now, found: new Map(found) }))
  t.notOk(views.all.has('sticky'))

  const ask = (path: string, upstream?: string) =>
    showRequest(now, { host: 'paths', path, upstream })
  t.same(ask('/'), { state: 'open' })
  t.same(ask('/api', 'api'), CLOSED)
  t.same(ask('/table', 'sticky'), { state: 'none', reason: 'sticky' })
  t.match(ask('/table', 'web'), { state: 'none', reason: /nginx cannot/ })
  t.end()
})
