// What the controller compiles, read by the very functions that serve requests.
import fc from 'fast-check'
import t from 'tap'
import { guardPolicy } from '../../../../contract/record/policy.js'
import { ANYWHERE, compileUpstream } from '../../../../controller/table/compiled-upstream.js'
import { unitOfUpstream } from '../../../../controller/table/upstream-unit.js'
import type { Condition } from '../../../../controller/state/conditions.js'
import type { DesiredInstance } from '../../../../controller/state/desired.js'
import { choose } from '../../../../njs/choose/choice.js'
import { memoryDict, memoryNumberDict } from '../../../support/memory-dict.js'

const POLICIES = [
  {},
  { retry: { tries: 2 } },
  { retry: { statuses: [503] } },
  { balance: 'roundRobin' },
  { balance: 'leastConn' },
  { balance: 'randomTwo' },
  { balance: 'leastTime' },
  { balance: 'ipHash' },
  { balance: 'hash', hash: { key: 'uri', loadPercent: 120 } },
  { sticky: { by: 'cookie' } },
]
const CONDITIONS: Record<string, Condition> = {
  out: { state: 'down' },
  warm: { state: 'up', share: 0.3 },
}
const what = fc.constantFrom('up', 'down', 'out', 'warm', 'far', 'backup')

t.test('whoever is up is found, tier by tier, and nobody else', async () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...POLICIES),
      fc.array(what, { maxLength: 9 }),
      fc.nat(49),
      fc.nat(999),
      (given, list, slot, share) => {
        const policy = guardPolicy(given)
        if (!policy.ok) {
          throw new Error(policy.message)
        }
        const conditions = new Map<string, Condition>()
        const instances = list.map((kind, i): [string, DesiredInstance] => {
          const condition = CONDITIONS[kind]
          if (condition !== undefined) {
            conditions.set(`i${i}`, condition)
          }
          const record = {
            ...{ host: '10.0.0.1', port: i + 1, weight: 1 + (i % 4) },
            state: kind === 'down' ? ('down' as const) : ('up' as const),
            zone: kind === 'far' ? 'there' : 'here',
            ...(kind === 'backup' && { backup: true as const }),
          }
          return [
            `i${i}`,
            { id: `i${i}`, record, override: undefined, suspect: undefined, revision: 1 },
          ]
        })
        const upstream = {
          name: 'web',
          policy: policy.value,
          revision: 1,
          instances: new Map(instances),
        }
        const compiled = compileUpstream(upstream, { ...ANYWHERE, zone: 'here' }, conditions)
        const table = memoryDict(8 << 20)
        unitOfUpstream(compiled, new Set()).entries.forEach((value, key) => table.set(key, value))
        const asked = {
          uri: '/',
          variables: { sluice_hash_slot: String(slot), sluice_hash_share: String(share) },
        }
        const ground = { table, load: memoryNumberDict(), request: asked, nowMs: 0 }
        const draw = { unit: ':web', slot: String(slot), share }
        const left = new Set(compiled.tiers.main.concat(compiled.tiers.spill).map(({ sid }) => sid))
        const main = new Set(compiled.tiers.main.map(({ sid }) => sid))
        let tried = ''
        for (let i = 0; left.size > 0; i++) {
          const choice = choose(ground, draw, { upstream: '', sid: '' }, tried)
          if (choice === null) {
            throw new Error(`nobody, and ${left.size} are left`)
          }
          const { sid } = choice.peer
          if (!left.delete(sid)) {
            throw new Error(`${choice.peer.id} is not up, or was tried`)
          }
          // Later on a light one may stand further on in its list than is looked.
          if (i === 0 && !main.has(sid)) {
            throw new Error(`${choice.peer.id} came too early`)
          }
          tried += ` ${sid}`
        }
        return choose(ground, draw, { upstream: '', sid: '' }, tried) === null
      },
    ),
    { numRuns: 200, interruptAfterTimeLimit: 20_000 },
  )
})
