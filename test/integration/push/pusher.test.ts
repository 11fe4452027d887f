// The pusher over a real nginx.
import t from 'tap'
import { guardPolicy } from '../../../contract/record/policy.js'
import type { Delta } from '../../../contract/push.js'
import { compileUpstream } from '../../../controller/table/compiled-upstream.js'
import { compileHost } from '../../../controller/table/host-unit.js'
import { unitOfUpstream } from '../../../controller/table/upstream-unit.js'
import type { Unit } from '../../../controller/table/unit.js'
import type { DesiredInstance } from '../../../controller/state/desired.js'
import { GatewayClient } from '../../../controller/push/gateway-client.js'
import { Pusher } from '../../../controller/push/pusher.js'
import type { TableSource } from '../../../controller/table/table-source.js'
import { homePaths } from '../../../nginx/render.js'
import { silentLogger } from '../../../runtime/logger.js'
import { startGateway } from '../../../lab/nginx/gateway.js'
import { until } from '../../../lab/until.js'

class CountedLooks extends GatewayClient {
  looks = 0

  override state(): ReturnType<GatewayClient['state']> {
    this.looks += 1
    return super.state()
  }
}

t.test('however much is new, the gateway is looked at', async (t) => {
  const gateway = await startGateway(t, { kind: 'njs' })
  const client = new CountedLooks(homePaths(gateway.home).adminSocket)
  t.teardown(() => client.close())
  let revision = 0
  let last = Infinity
  const pusher = new Pusher(client, {
    source: {
      isReady: true,
      get revision() {
        return revision
      },
      units: new Map(),
      update: () => {
        revision = Math.min(revision + 1, last)
        return []
      },
    },
    log: silentLogger,
    pollMs: 50,
    onFailure: (reason) => t.fail(reason),
    onApplied: () => undefined,
    onState: () => undefined,
    onUnknown: () => undefined,
  })
  pusher.start()
  await until(() => pusher.applied > 0, { what: 'the first push' })
  const [seen, from] = [client.looks, pusher.applied]
  await until(() => client.looks >= seen + 3, { what: 'three looks more' })
  t.ok(pusher.applied > from + 3, 'pushed all the while')
  last = revision + 5
  await pusher.close()
  t.equal(pusher.applied, last, 'what waited went out')
  t.match(await gateway.state(), { revision: last, whole: true })
})

/** Notes the names of what is written, and calls `onPart` after each part. */
class Noted extends GatewayClient {
  readonly parts: string[][] = []
  onPart: (count: number) => void = () => undefined

  override async delta(delta: Delta): ReturnType<GatewayClient['delta']> {
    const state = await super.delta(delta)
    this.parts.push(delta.operations.map(([key]) => key))
    this.onPart(this.parts.length)
    return state
  }
}

t.test('what changes an upstream that serves waits for no backlog', async (t) => {
  const gateway = await startGateway(t, { kind: 'njs' })
  const client = new Noted(homePaths(gateway.home).adminSocket)
  t.teardown(() => client.close())
  const units = new Map([[':web', web({}, 3)]])
  const dirty = new Set([':web'])
  let revision = 1
  const applied: Array<[revision: number, parts: number]> = []
  const pusher = new Pusher(client, {
    source: {
      isReady: true,
      get revision() {
        return revision
      },
      units,
      update: () => {
        const news = [...dirty]
        dirty.clear()
        return news
      },
    },
    log: silentLogger,
    pollMs: 1000,
    onFailure: (reason) => t.fail(reason),
    onApplied: (to) => applied.push([to, client.parts.length]),
    onState: () => undefined,
    onUnknown: () => undefined,
  })
  const put = (unit: Unit): void => {
    units.set(unit.name, unit)
    dirty.add(unit.name)
    revision += 1
    pusher.wake()
  }
  pusher.start()
  await until(() => pusher.applied === 1, { what: 'the first push' })
  const from = client.parts.length
  const lags: number[] = []
  client.onPart = (count) => {
    lags.push(pusher.lagMs)
    if (count === from + 2) {
      put(web({}, 2))
    } else if (count === from + 4) {
      put({ ...compileHost('single.test', [], new Map()) })
    }
  }
  for (let n = 0; n < 3000; n++) {
    put({ ...compileHost(`h${n}.test`, [], new Map()) })
  }
  const backlog = revision
  await until(() => pusher.applied > backlog, { what: 'all of it' })
  const at = client.parts.findIndex((keys, part) => part > from && keys.includes(':web'))
  const [, end = 0] = applied.find(([to]) => to === backlog) ?? []
  t.ok(end - from > 5, `the backlog took ${end - from} parts`)
  t.ok(at - from < 4, `the change went out as part ${at - from + 1}, before its end`)
  const single = client.parts.findIndex((keys) => keys.includes('@single.test'))
  t.ok(single - from < 7, `a new host went out as part ${single - from + 1}`)
  const [, , , early = 0, , late = 0] = lags
  t.ok(late > early && early > 0, 'while a push takes its time the lag grows')
  t.equal(pusher.applied, backlog + 2, 'and counts as applied when all before it is')
  const lines = await client.read([':web#0'])
  t.equal(lines[0]?.split('\n').length, 2)
  await pusher.close()
})

/** Takes `left` parts, and then it is as if the controller were killed. */
class Cut extends GatewayClient {
  left = Infinity
  isCut = false

  override async delta(delta: Delta): ReturnType<GatewayClient['delta']> {
    this.isCut ||= this.left-- <= 0
    return this.isCut ? new Promise(() => undefined) : super.delta(delta)
  }
}

function web(policy: object, peers: number): Unit {
  const checked = guardPolicy(policy)
  if (!checked.ok) {
    throw new Error(checked.message)
  }
  const instances = Array.from({ length: peers }, (_, i): [string, DesiredInstance] => {
    const record = { host: '10.0.0.1', port: i + 1, weight: 1, state: 'up' as const }
    return [`i${i}`, { id: `i${i}`, record, override: undefined, suspect: undefined, revision: 1 }]
  })
  const upstream = {
    name: 'web',
    policy: checked.value,
    revision: 1,
    instances: new Map(instances),
  }
  return unitOfUpstream(compileUpstream(upstream), new Set())
}

function sourceOf(unit: Unit): TableSource {
  const units = new Map([[unit.name, unit]])
  return { isReady: true, revision: 1, units, update: () => [] }
}

t.test('nothing is left of a push that was cut off, in whichever part', async (t) => {
  const gateway = await startGateway(t, { kind: 'njs' })
  const push = async (unit: Unit, left = Infinity): Promise<boolean> => {
    const client = new Cut(homePaths(gateway.home).adminSocket)
    client.left = left
    const pusher = new Pusher(client, {
      ...{ source: sourceOf(unit), log: silentLogger, pollMs: 1000 },
      onFailure: (reason) => t.fail(reason),
      ...{ onApplied: () => undefined, onState: () => undefined, onUnknown: () => undefined },
    })
    pusher.start()
    await until(() => client.isCut || pusher.applied > 0, { what: 'the push or its end' })
    if (!client.isCut) {
      await pusher.close()
    }
    await client.close()
    return client.isCut
  }
  const ring = web({ balance: 'hash', hash: { key: 'uri' } }, 700)
  const few = web({ balance: 'roundRobin' }, 30)
  const many = web({ balance: 'random' }, 900)
  const all = [ring, few, many].flatMap(({ entries }) => [...entries.keys()])
  const keys = [...new Set(all), ':web+']
  let cuts = 0
  for (const [before, half] of [
    [few, ring],
    [ring, few],
    [ring, many],
    [many, ring],
  ] as const) {
    for (let left = 0; ; left++) {
      await push(before)
      if (!(await push(half, left))) {
        break
      }
      cuts++
      await push(few)
      const client = new GatewayClient(homePaths(gateway.home).adminSocket)
      const values: Array<string | null> = []
      for (let i = 0; i < keys.length; i += 400) {
        values.push(...(await client.read(keys.slice(i, i + 400))))
      }
      await client.close()
      const there = keys.filter((_, i) => values[i] !== null)
      t.same(there.sort(), [...few.entries.keys()].sort(), `after ${left} parts`)
    }
  }
  t.ok(cuts >= 8, `cut ${cuts} times`)
})

t.test(
  'a gateway is taken again from an owner that is gone, and left to one that lives',
  async (t) => {
    const gateway = await startGateway(t, { kind: 'njs' })
    const client = new GatewayClient(homePaths(gateway.home).adminSocket)
    t.teardown(() => client.close())
    const pusher = new Pusher(client, {
      ...{ source: sourceOf(web({}, 1)), log: silentLogger, pollMs: 20, deadOwnerMs: 1500 },
      ...{ onApplied: () => undefined, onState: () => undefined, onUnknown: () => undefined },
      onFailure: () => undefined,
    })
    t.teardown(() => pusher.close())
    pusher.start()
    await until(() => pusher.applied > 0)
    const first = pusher.ownEpoch ?? 0
    const { epoch } = await client.claim({ epoch: first + 1_000_000, expect: first })
    await until(() => pusher.isFenced)
    t.equal(pusher.ownEpoch, undefined)
    const untilMs = performance.now() + 3000
    await until(async () => {
      await client.touch(epoch)
      return performance.now() > untilMs
    })
    t.ok(pusher.isFenced, 'the other one lives')
    await until(() => !pusher.isFenced, { what: 'it to be taken again' })
    t.ok((pusher.ownEpoch ?? 0) > epoch)
    await until(async () => (await gateway.state()).whole)
    t.equal(pusher.applied, 1)
  },
)
