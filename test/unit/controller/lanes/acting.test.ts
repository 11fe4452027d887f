// Which routes that act, and which splits, have a gate, and what nginx is given for it.
import t from 'tap'
import { guardRoute } from '../../../../contract/record/route.js'
import { planLanes } from '../../../../controller/lanes/lane.js'
import type { Gate, Lane } from '../../../../controller/lanes/lane.js'
import { renderLanes } from '../../../../controller/lanes/lane-conf.js'
import { planHosts } from '../../../../controller/table/host-planner.js'

const lane = (upstream: string, id: string): Lane => {
  return { id, upstream, isLeastConn: false, maxFails: 1, failTimeoutMs: 10_000 }
}
const FOUND = new Map<string, Lane | string>([
  ['web', lane('web', 'aaaaaaaaaaaa')],
  ['api', lane('api', 'bbbbbbbbbbbb')],
  ['sticky', 'sticky'],
])

function planOf(fields: object): ReturnType<typeof planLanes> {
  const served = 'split' in fields ? {} : { upstream: 'web' }
  const checked = guardRoute({ hosts: ['app.test'], ...served, ...fields })
  if (!checked.ok) {
    throw new Error(`${checked.field} ${checked.message}`)
  }
  const route = { id: 'r', record: checked.value, revision: 1 }
  return planLanes(planHosts([route], [], []), FOUND, 10)
}

function gateOf(fields: object): Gate | undefined {
  return [...planOf(fields).gates.values()].find(({ host }) => host === 'app.test')
}

t.test('what nginx can do by itself has a gate, named by all that it means', (t) => {
  const kinds: object[] = [
    {},
    { rewrite: { stripPrefix: true }, pathPrefix: '/a' },
    { rewrite: { replacePrefix: '/b' }, pathPrefix: '/a' },
    { upstreamHost: 'x.example' },
    { upstreamHost: 'y.example' },
    { requestHeaders: { set: { 'X-A': 'b' } } },
    { requestHeaders: { set: { 'X-A': 'c' } } },
    { responseHeaders: { add: { Vary: 'x' } } },
    { maxBodyBytes: 10 },
    { maxBodyBytes: 11 },
    { buffering: true },
    {
      split: [
        { upstream: 'web', weight: 1 },
        { upstream: 'api', weight: 2 },
      ],
    },
    {
      split: [
        { upstream: 'web', weight: 1 },
        { upstream: 'api', weight: 3 },
      ],
    },
  ]
  const ids = kinds.map((kind) => gateOf(kind)?.id)
  t.notOk(ids.includes(undefined), 'each has one')
  t.equal(new Set(ids).size, kinds.length, 'and no two are the same')
  t.end()
})

t.test('what it would do in another way has none', (t) => {
  const kinds: object[] = [
    { timeouts: { readMs: 1000 } },
    { maxBodyBytes: 0 },
    { mirror: { upstream: 'api' } },
    { redirect: { scheme: 'https' } },
    { upgrade: ['h2c'] },
    { rewrite: { replacePrefix: '/$x' } },
    { requestHeaders: { set: { 'X-A': '$host' } } },
    { requestHeaders: { remove: ['Cookie'] } },
    { requestHeaders: { remove: ['X-A'], add: { 'X-B': 'c' } } },
    { responseHeaders: { remove: ['ETag'] } },
    {
      split: [
        { upstream: 'web', weight: 1 },
        { upstream: 'sticky', weight: 1 },
      ],
    },
    { split: [{ upstream: 'web', weight: 1 }], stick: { by: 'hash', key: 'address' } },
    {
      split: [
        { upstream: 'web', weight: 1 },
        { upstream: 'api', when: { methods: ['PUT'] } },
      ],
    },
    { split: [{ upstream: 'web', weight: 1, where: { version: '2' } }] },
  ]
  for (const kind of kinds) {
    t.equal(gateOf(kind), undefined, JSON.stringify(kind))
  }
  t.end()
})

t.test('an arm has a file and a location of its own, and its share', (t) => {
  const plan = planOf({
    ...{ pathPrefix: '/a', rewrite: { stripPrefix: true } },
    split: [
      { upstream: 'web', weight: 1 },
      { upstream: 'api', weight: 2 },
    ],
  })
  const files = renderLanes(plan, { home: '/h', poolPort: 1, includes: '/h/sluice' })
  const id = [...plan.gates.values()].find(({ host }) => host !== '')?.id
  t.match(
    files.http,
    new RegExp(`33[.]33% "/h/gates/${id}[.]0-*";\\n *[*] "/h/gates/${id}[.]1-*";`),
  )
  t.match(files.server, /rewrite "\^\/a\/\?\(\.\*\)\$" "\/\$1" break;/)
  t.match(files.server, /X-Sluice-Pick ":web\/0 ";[^}]*proxy_pass http:\/\/aaaaaaaaaaaa_lane;/)
  t.match(files.server, /X-Sluice-Pick ":api\/0 ";[^}]*proxy_pass http:\/\/bbbbbbbbbbbb_lane;/)
  t.end()
})
