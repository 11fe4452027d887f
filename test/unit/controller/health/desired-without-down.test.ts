/** What is served when checks fail. */
import t from 'tap'
import type { InstanceConditions } from '../../../../controller/state/conditions.js'
import { instanceState } from '../../../../controller/state/desired.js'
import type {
  Desired,
  DesiredInstance,
  DesiredUpstream,
} from '../../../../controller/state/desired.js'
import { withConditions } from '../../../../controller/health/desired-with-conditions.js'

function instance(id: string): DesiredInstance {
  const record = { host: '127.0.0.1', port: 80, weight: 1, state: 'up' } as const
  return { id, record, override: undefined, suspect: undefined, revision: 1 }
}

const instances = new Map(['a', 'b'].map((id) => [id, instance(id)]))
const web: DesiredUpstream = { name: 'web', policy: { balance: 'random' }, revision: 1, instances }
const api = { ...web, name: 'api' }
const named = new Map([
  ['web', web],
  ['api', api],
])
const desired: Desired = {
  revision: 7,
  upstreams: named,
  routes: new Map(),
  streamRoutes: new Map(),
  certificates: new Map(),
}

t.test('what is down here is down in the file', async (t) => {
  const conditions: InstanceConditions = new Map([
    ['a', { state: 'down', reason: 'refused' }],
    ['b', { state: 'up', reason: 'ejection ignored' }],
    ['gone', { state: 'down' }],
  ])
  const all: Array<[string, InstanceConditions]> = [
    ['web', conditions],
    ['nobody', conditions],
  ]
  const shown = withConditions(desired, all)
  const states = [...(shown.upstreams.get('web')?.instances.values() ?? [])].map((each) =>
    instanceState(each),
  )
  t.same(states, [{ state: 'down', reason: 'refused' }, { state: 'up' }])
  t.equal(shown.upstreams.get('api'), api, 'the others are the same objects')
  t.equal(shown.revision, 7)
  t.equal(withConditions(desired, all).upstreams.get('web'), shown.upstreams.get('web'))
  t.same(instanceState(instance('a')), { state: 'up' }, 'and the original is as it was')
})

t.test('a condition speaks only of what is up by all else', async (t) => {
  const condition = { state: 'down', reason: 'refused' } as const
  const up = instance('a')
  t.same(instanceState(up, condition), condition)
  t.match(instanceState({ ...up, suspect: 'lost' }, { state: 'up', reason: 'warming 40 %' }), {
    reason: 'warming 40 %',
  })
  const drained = { ...up, override: { drain: true, atMs: 1 } as const }
  t.match(instanceState(drained, condition), { state: 'draining' })
  const down = { ...up, record: { ...up.record, state: 'down', reason: 'unhealthy' } as const }
  t.same(instanceState(down, condition), { state: 'down', reason: 'unhealthy' })
})
