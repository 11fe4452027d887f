/** What a home has of lanes and gates, without a controller. */
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  closeGates,
  countLanes,
  putLanesAside,
  takeLanesBack,
} from '../../../../cli/start/home-lanes.js'
import { renderLanes } from '../../../../controller/lanes/lane-conf.js'
import { laneOf, planLanes } from '../../../../controller/lanes/lane.js'
import { gateFile, openGate } from '../../../../controller/lanes/gate-files.js'
import { planHosts } from '../../../../controller/table/host-planner.js'
import { temporaryFolder } from '../../../../lab/temp.js'

const GATE = { id: '0123456789abcdef', arms: [0] }

t.test('gates of whatever run are closed, and a home without any is no fault', (t) => {
  const home = temporaryFolder(t)
  closeGates(home)
  mkdirSync(join(home, 'gates'))
  openGate(home, GATE)
  t.ok(existsSync(gateFile(home, GATE)))
  closeGates(home)
  t.same(readdirSync(join(home, 'gates')), [])
  mkdirSync(gateFile(home, GATE))
  t.throws(() => closeGates(home), { code: 'internal', message: /gates .*cannot be closed/ })
  t.end()
})

t.test('lanes are counted as the controller writes them, put aside and taken back', (t) => {
  const home = temporaryFolder(t)
  t.same(countLanes(home), { lanes: 0, gates: 0 })
  t.notOk(putLanesAside(home))

  const names = ['api', 'web']
  const found = new Map(
    names.map((name) => {
      const upstream = { name, revision: 1, policy: { balance: 'random' as const } }
      return [name, laneOf({ ...upstream, instances: new Map() })]
    }),
  )
  const plan = planHosts([], names, ['localhost', 'test'])
  const place = { home, poolPort: 53, includes: '/h' }
  const files = renderLanes(planLanes(plan, found, 10), place)
  mkdirSync(join(home, 'compiled/g0'), { recursive: true })
  Object.entries(files).forEach(([name, text]) =>
    writeFileSync(join(home, `compiled/g0/${name}.conf`), text),
  )
  symlinkSync('g0', join(home, 'compiled/now'))
  t.same(countLanes(home), { lanes: 2, gates: 4 })

  t.ok(putLanesAside(home))
  t.same(countLanes(home), { lanes: 0, gates: 0 })
  takeLanesBack(home)
  t.same(countLanes(home), { lanes: 2, gates: 4 })

  putLanesAside(home)
  mkdirSync(join(home, 'compiled/g1'))
  symlinkSync('g1', join(home, 'compiled/now'))
  takeLanesBack(home)
  t.same(countLanes(home), { lanes: 0, gates: 0 }, 'what was written since stays')
  t.end()
})
