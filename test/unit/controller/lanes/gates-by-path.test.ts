// Which prefixes of a host have gates, and by what maps nginx finds them.
import t from 'tap'
import { guardRoute } from '../../../../contract/record/route.js'
import { planLanes } from '../../../../controller/lanes/lane.js'
import type { LanePlan } from '../../../../controller/lanes/lane.js'
import { renderLanes } from '../../../../controller/lanes/lane-conf.js'
import { planHosts } from '../../../../controller/table/host-planner.js'

const LANE = { isLeastConn: false, maxFails: 1, failTimeoutMs: 10_000 }
const FOUND = new Map([['web', { id: 'aaaaaaaaaaaa', upstream: 'web', ...LANE }]])

function planOf(routes: object[], host = 'app.test'): LanePlan {
  const checked = routes.map((fields, i) => {
    const record = guardRoute({ hosts: [host], upstream: 'web', ...fields })
    if (!record.ok) {
      throw new Error(`${record.field} ${record.message}`)
    }
    return { id: `r${i}`, record: record.value, revision: 1 }
  })
  return planLanes(planHosts(checked, [], []), FOUND, 10)
}

/** Each key, and whether it has a gate. */
function keysOf(prefixes: string[], more: object = {}, host?: string): Record<string, boolean> {
  const routes = prefixes.map((pathPrefix, i) => ({ pathPrefix, ...(i === 0 && more) }))
  const [gated] = planOf(routes, host).hosts
  return Object.fromEntries(
    [...(gated?.byPrefix ?? [])].map(([key, gate]) => [key, gate !== undefined]),
  )
}

t.test('a prefix of one or two segments has a gate', (t) => {
  const both = { '/': true, '/api': true, '/api/v2': true }
  t.same(keysOf(['/', '/api', '/api/v2']), both)
  t.same(keysOf(['/api/v2', '/']), { '/': true, '/api/v2': true })
  t.same(keysOf(['/api/v2', '/'], { methods: ['PUT'] }), { '/': true, '/api/v2': false })
  t.same(keysOf(['/api', '/api/v2'], { methods: ['PUT'] }), { '/api': false, '/api/v2': true })
  t.same(keysOf(['/api/v2/deep', '/api/v2', '/']), { '/': true, '/api/v2': false })
  t.end()
})

t.test('what a map might take for another has none, and what is there neither', (t) => {
  t.same(keysOf(['/api/V2', '/api']), { '/api': true, '/api/*': false })
  t.same(keysOf(['/api/.v2', '/api']), { '/api': true, '/api/*': false })
  t.same(keysOf(['/Api/v2', '/']), { '/': true, '*': false })
  t.same(keysOf([`/api/${'x'.repeat(40)}`, '/api', '/']), { '/': true, '/api': false })
  t.end()
})

t.test('nginx looks for the longer one first', (t) => {
  const plan = planOf([{ pathPrefix: '/' }, { pathPrefix: '/api/v2' }, { pathPrefix: '/api/V3' }])
  const { http } = renderLanes(plan, { home: '/h', poolPort: 1, includes: '/h/sluice' })
  const idOf = (prefix: string): string =>
    [...plan.gates.values()].find((gate) => gate.prefix === prefix)?.id ?? ''
  const maps = http.slice(
    http.indexOf('map $host $sluice_gate '),
    http.indexOf('map $sluice_upstream'),
  )
  const shown = maps.replaceAll(idOf('/'), 'ROOT').replaceAll(idOf('/api/v2'), 'API')
  const found = Object.fromEntries(
    [...shown.matchAll(/^map (.*) \{\n([^}]*)\}/gm)].map(([, head = '', rows = '']) => [
      head.split(' ').at(-1),
      rows.split('\n').flatMap((row) => row.replace(/-*(";?)$/, '$1').trim() || []),
    ]),
  )
  t.match(found, {
    $sluice_gate: ['default "";', 'app.test $sluice_gate_by_path;'],
    $sluice_gate_of_rest: ['default "";', 'app.test "/h/gates/ROOT";'],
    $sluice_gate_by_path: [
      'default $sluice_gate_of_rest;',
      '"app.test!" "";',
      '"app.test/api" $sluice_gate_by_pair;',
    ],
    $sluice_gate_of_first: ['default "";', '"app.test/api" "/h/gates/ROOT";'],
    $sluice_gate_by_pair: [
      'default $sluice_gate_of_first;',
      '"app.test/api/*" "";',
      '"app.test/api/v2" "/h/gates/API";',
    ],
  })
  t.end()
})
