/** Instances and routes come and go while nginx chooses by itself, and no request fails. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Policy } from '../../contract/record/policy.js'
import { openGates, whenOpen, whenWritten } from '../../lab/load/compiled.js'
import { judge, monotonicMs, printLoadVerdict } from '../../lab/load/ledger.js'
import { chooseSeed } from '../../lab/load/random.js'
import { startRig } from '../../lab/load/rig.js'
import type { Rig } from '../../lab/load/rig.js'
import { Scene, makeSceneCertificates } from '../../lab/load/scene.js'
import { temporaryFolder } from '../../lab/temp.js'
import { tools } from '../../lab/tools.js'

const POLICIES: Policy[] = [
  { balance: 'random' },
  { balance: 'roundRobin' },
  { balance: 'leastConn' },
  { balance: 'hash', hash: { key: 'uri' } },
  { balance: 'leastConn' },
  { balance: 'random' },
]
const LEAST = { requests: 1000, perSecond: 50, ofEachKind: 20 }
const SECONDS = Number(process.env.COMPILED_SECONDS ?? 8)
const seed = chooseSeed()

t.setTimeout(170_000 + 2000 * SECONDS)

/** nginx is given the lanes that there are now, and takes whom it finds in them. */
async function compile(rig: Rig, gates: number): Promise<{ fromMs: number; untilMs: number }> {
  await whenWritten(rig.home, gates)
  const fromMs = monotonicMs()
  process.kill(rig.nginxPid(), 'SIGHUP')
  await whenOpen(rig.home)
  return { fromMs, untilMs: monotonicMs() }
}

const { nginx } = await tools()
for (const engine of ['njs', 'qjs'] as const) {
  t.test(`nothing is lost, misrouted or late while gates open and close: ${engine}`, async (t) => {
    const certificates = await makeSceneCertificates(temporaryFolder(t, 'ca'))
    const rig = await startRig({
      ...{ nginx, engine, name: 'compiled' },
      env: { SLUICE_COMPILED: 'auto' },
    })
    t.teardown(() => rig.stop())
    const folder = temporaryFolder(t, 'ledger')
    const scene = new Scene({ rig, folder, seed, policies: POLICIES, certificates })
    t.teardown(() => scene.kill())
    await scene.begin()
    const reload = await compile(rig, 10)
    const all = openGates(rig.home)
    const { churners } = scene
    for (const churner of churners) {
      churner.mostPauseMs = 6000
      churner.start()
    }
    let [looks, open] = [0, 0]
    const endsAtMs = Date.now() + SECONDS * 1000
    while (Date.now() < endsAtMs) {
      looks += all
      open += openGates(rig.home)
      await sleep(50)
    }
    await scene.whenAsked(LEAST.ofEachKind, LEAST.requests)
    await Promise.all(churners.map((churner) => churner.stop()))
    const client = (await scene.stopClients()).flat()
    const ledgers = scene.ledgers(client, LEAST)
    const verdict = judge(ledgers)
    t.comment(`seed ${seed}: ${printLoadVerdict(verdict)}`)
    t.comment(
      `gates were open at ${Math.round((100 * open) / looks)} % of the looks; ${ledgers.windows.length} windows`,
    )
    t.ok(open > 0, 'gates were open')
    t.ok(ledgers.windows.length > 3, `instances went ${ledgers.windows.length} times`)
    t.equal(verdict.tooSmall, undefined, 'the load was large enough')
    // A reload of nginx's resets what no worker has accepted yet, now and then.
    const lost = verdict.lost.filter(
      ({ startMs, endMs }) => startMs > reload.untilMs || endMs < reload.fromMs,
    )
    t.same(lost.slice(0, 3), [], 'none lost')
    t.same(verdict.misrouted.slice(0, 3), [], 'none misrouted')
    t.same(verdict.afterDrain.slice(0, 3), [], 'none after a drain or removal was answered')
    t.same(verdict.duplicated.slice(0, 3), [], 'no POST sent twice')
    t.same(verdict.disagreed.slice(0, 3), [], 'both ledgers agree')
    const log = readFileSync(join(rig.home, 'logs/error.log'), 'utf8')
    const bad = log.split('\n').filter((line) => /\[(emerg|alert|crit)\]|js exception/.test(line))
    t.same(bad, [], 'nginx had nothing to complain of')
  })
}
