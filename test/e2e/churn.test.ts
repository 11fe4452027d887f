/** Instances come, go and die under load, and no request fails. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { DEFAULT_RETRY } from '../../contract/record/policy.js'
import type { Policy } from '../../contract/record/policy.js'
import { printLoadVerdict, judge, monotonicMs } from '../../lab/load/ledger.js'
import { startLoad } from '../../lab/load/load.js'
import type { Load } from '../../lab/load/load.js'
import { Backends } from '../../lab/load/backends.js'
import type { Deed } from '../../lab/load/instances.js'
import { chooseSeed } from '../../lab/load/random.js'
import { startRig } from '../../lab/load/rig.js'
import type { Rig, RigOptions } from '../../lab/load/rig.js'
import { Scene, makeSceneCertificates } from '../../lab/load/scene.js'
import { temporaryFolder } from '../../lab/temp.js'
import { tools } from '../../lab/tools.js'
import { until } from '../../lab/until.js'
import { COUNTING, complaints, holdVerdict } from '../support/churn.js'

/** The second of two sets, so that every balance is churned with the pool and without. */
const MEASURING: Policy[] = [
  { balance: 'randomTwo' },
  { balance: 'leastTime' },
  { balance: 'hash', hash: { key: 'uri', loadPercent: 150 } },
  { balance: 'roundRobin', retry: { ...DEFAULT_RETRY, statuses: [503] } },
  { balance: 'random' },
  { balance: 'roundRobin' },
]
const LEAST = { requests: 1000, perSecond: 100, ofEachKind: 100 }
const seed = chooseSeed()
const certificates = await makeSceneCertificates(temporaryFolder(t, 'ca'))

t.setTimeout(170_000)

interface Run {
  name: string
  options: Omit<RigOptions, 'name'>
  policies: Policy[]
  durationMs: number
}

const { nginx, nginxStable } = await tools()
const runs: Run[] = [
  {
    name: 'nginx 1.30, njs',
    options: { nginx, engine: 'njs' },
    policies: COUNTING,
    durationMs: 6000,
  },
  {
    name: 'nginx 1.30, qjs',
    options: { nginx, engine: 'qjs' },
    policies: MEASURING,
    durationMs: 6000,
  },
  {
    name: 'nginx 1.26, by address',
    options: { nginx: nginxStable, pool: 'off' },
    policies: COUNTING,
    durationMs: 4000,
  },
]

for (const { name, options, policies, durationMs } of runs) {
  t.test(`instances, routes and certificates come and go: ${name}`, async (t) => {
    const rig = await startRig({ ...options, name: 'churn' })
    t.teardown(() => rig.stop())
    const before = stateOf(rig)
    await t.test('nothing is lost, misrouted or late', (t) => churn(t, rig, policies, durationMs))
    await t.test('killed backends lose nothing that may be repeated', (t) => killBackends(t, rig))
    t.same(stateOf(rig), before, 'the same workers, the same configuration')
    t.same(complaints(rig), [], 'nginx had nothing to complain of')
  })
}

async function churn(t: Test, rig: Rig, policies: Policy[], durationMs: number): Promise<void> {
  const folder = temporaryFolder(t, 'ledger')
  const scene = new Scene({ rig, folder, seed, policies, certificates })
  t.teardown(() => scene.kill())
  await scene.begin()
  const { churners } = scene
  for (const churner of churners) {
    churner.start()
  }
  // The length of the run is its subject: as many changes and requests as fit.
  await sleep(durationMs)
  await scene.whenAsked(LEAST.ofEachKind, LEAST.requests)
  await Promise.all(churners.map((churner) => churner.stop()))
  const kinds = await scene.stopClients()
  const client = kinds.flat()
  const ledgers = scene.ledgers(client, LEAST)
  const verdict = judge(ledgers)
  const counts = kinds.map(({ length }) => length).join(', ')
  t.comment(`seed ${seed}: ${printLoadVerdict(verdict)} (${counts} by HTTP, TCP, TLS)`)
  t.comment(total(scene))
  t.ok(ledgers.windows.length > 20, `instances went ${ledgers.windows.length} times`)
  const changes = [...scene.routes, ...scene.renewed].map((churner) => churner.changes)
  t.ok(Math.min(...changes) > 5, `routes and certificates changed ${changes.join(', ')} times`)
  holdVerdict(t, verdict)
  t.same(scene.wronglyShown(client).slice(0, 3), [], 'no certificate that was not to be shown')
}

/**
 * Three backends in processes of their own; one after the other is killed and comes back, and
 * nobody is informed.
 */
async function killBackends(t: Test, rig: Rig): Promise<void> {
  const folder = temporaryFolder(t, 'ledger')
  const opened: Backends[] = []
  t.teardown(() => Promise.all(opened.map((backends) => backends.kill())))
  const open = async (
    index: number,
    port: number,
  ): Promise<{ backends: Backends; port: number }> => {
    const instance = `rude-${index}-${opened.length}`
    const backends = new Backends(folder, instance)
    opened.push(backends)
    const place = { upstream: 'rude', instance, host: `127.6.9.${index + 1}` }
    return { backends, port: await backends.open({ ...place, port }) }
  }
  const places = await Promise.all([0, 1, 2].map((index) => open(index, 0)))
  for (const [index, { port }] of places.entries()) {
    const path = `/v1/upstreams/rude/instances/i${index}`
    await rig.change('PUT', path, { host: `127.6.9.${index + 1}`, port })
  }
  const target = { host: '127.0.0.1', port: rig.httpPort }
  const load = startLoad(folder, { target, upstreams: ['rude'], seed, postPart: 0.05, slowMs: 60 })
  t.teardown(() => load.kill())
  const kills: { fromMs: number; untilMs: number }[] = []
  for (const index of [0, 1, 2, 0]) {
    const place = places[index]
    if (place === undefined) {
      throw new Error('there are three')
    }
    await more(load)
    const fromMs = monotonicMs()
    await place.backends.kill()
    kills.push({ fromMs, untilMs: monotonicMs() })
    await more(load)
    places[index] = await open(index, place.port)
  }
  const { lines: client } = await load.stop()
  const lines = opened.flatMap((backends) => backends.lines())
  const verdict = judge({ client, backends: lines, windows: [], least: LEAST })
  t.comment(`seed ${seed}: ${printLoadVerdict(verdict)}`)
  t.equal(verdict.tooSmall, undefined, 'the load was large enough')
  const lostGets = verdict.lost.filter(({ method }) => method === 'GET')
  t.same(lostGets.slice(0, 3), [], 'no GET lost')
  const others = verdict.lost.filter(({ startMs, endMs }) => {
    return !kills.some(({ fromMs, untilMs }) => startMs < untilMs && endMs > fromMs)
  })
  t.same(others.slice(0, 3), [], 'no POST lost but those that a backend died with')
  t.same(verdict.duplicated.slice(0, 3), [], 'no POST sent twice')
  t.same(verdict.misrouted.slice(0, 3), [], 'none misrouted')
  t.same(verdict.disagreed.slice(0, 3), [], 'both ledgers agree')
}

/** So that each state of the backends sees its share of the load. */
async function more(load: Load): Promise<void> {
  const { requests } = await load.count()
  await until(async () => (await load.count()).requests > requests + 300, { what: 'requests' })
}

function stateOf(rig: Rig): object {
  const [master, workers, configuration] = [rig.nginxPid(), rig.workers(), rig.configuration()]
  return { master, workers, configuration }
}

function total({ instances, routes, renewed }: Scene): string {
  const deeds = Object.keys(instances[0]?.deeds ?? {}) as Deed[]
  const sum = (deed: Deed): number => instances.reduce((all, { deeds }) => all + deeds[deed], 0)
  const changes = (of: { changes: number }[]) => of.reduce((all, each) => all + each.changes, 0)
  const counts = deeds.map((deed) => `${deed} ${sum(deed)}`).join(', ')
  return `${counts}, routes ${changes(routes)}, certificates ${changes(renewed)}`
}
