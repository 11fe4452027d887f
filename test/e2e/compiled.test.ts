/** Instances and routes come and go while nginx chooses by itself, and no request fails. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { openGates, takeLanes, whenOpen, whenWritten } from '../../lab/load/compiled.js'
import { judge, printLoadVerdict } from '../../lab/load/ledger.js'
import { chooseSeed } from '../../lab/load/random.js'
import { startRig } from '../../lab/load/rig.js'
import { Scene, makeSceneCertificates } from '../../lab/load/scene.js'
import { temporaryFolder } from '../../lab/temp.js'
import { tools } from '../../lab/tools.js'
import { COUNTING, complaints, holdVerdict } from '../support/churn.js'

const LEAST = { requests: 1000, perSecond: 50, ofEachKind: 20 }
/** Workers close idle connections within so long of saying that they finish. */
const CLOSING_MS = 200
const SECONDS = Number(process.env.COMPILED_SECONDS ?? 8)
const seed = chooseSeed()

t.setTimeout(170_000 + 2000 * SECONDS)

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
    const scene = new Scene({ rig, folder, seed, policies: COUNTING, certificates })
    t.teardown(() => scene.kill())
    await scene.begin()
    await whenWritten(rig.home, 10)
    const reload = await takeLanes(rig)
    await whenOpen(rig.home)
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
    // A reload of nginx's resets idle connections, now and then one with a request on its way.
    const lost = verdict.lost.filter(
      ({ startMs, endMs }) => startMs > reload.untilMs + CLOSING_MS || endMs < reload.fromMs,
    )
    holdVerdict(t, verdict, lost)
    t.same(complaints(rig), [], 'nginx had nothing to complain of')
  })
}
