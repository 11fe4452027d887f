// What nginx asks and is answered may be lost, late and out of order: no gate opens before nginx
// has taken who is in its lane.
import t from 'tap'
import { startBackend } from '../../../lab/backends/backend.js'
import type { Backend } from '../../../lab/backends/backend.js'
import { chooseSeed, seeded } from '../../../lab/load/random.js'
import { freePort } from '../../../lab/ports.js'
import { at, compiledOf, put, remove, startCompiled } from '../../support/compiled-gateway.js'
import { startDnsPath } from '../../support/dns-path.js'

const SECONDS = Number(process.env.DATAGRAM_SECONDS ?? 20)
const GATES = 5
const MOST_STEP_MS = 16_000
const seed = chooseSeed()

t.setTimeout(90_000 + 2000 * SECONDS)

/** What comes to instance `b` of an upstream, and who may answer then. */
const STEPS = [
  { what: 'removed', left: ['a'] },
  { what: 'as it was', left: ['a', 'b'] },
  { what: 'drained', left: ['a'] },
  { what: 'moved', left: ['a', 'c'] },
] as const

t.test(`datagrams are lost, late and out of order (seed ${seed})`, async (t) => {
  const random = seeded(seed)
  const backends = await Promise.all(['a', 'b', 'c'].map((id) => startBackend(t, id)))
  const [a, b, c] = backends as [Backend, Backend, Backend]
  const answersAt = await freePort()
  const self = await startCompiled(t, { kind: 'njs', answersAt })
  const { gateway, change, gates, served } = self
  const path = await startDnsPath({ port: gateway.poolPort, to: answersAt, random })
  t.teardown(() => path.stop())
  const undrain = remove('overrides/web/b')
  const operations = {
    removed: [remove('instances/web/b'), undrain],
    'as it was': [put('instances/web/b', at(b)), undrain],
    drained: [put('instances/web/b', at(b)), put('overrides/web/b', { drain: true, atMs: 1 })],
    moved: [put('instances/web/b', at(c)), undrain],
  }
  await change(
    put('instances/web/a', at(a)),
    put('instances/web/b', at(b)),
    put('instances/other/a', at(a)),
    put('routes/web', { hosts: ['app.test'], upstream: 'web' }),
  )
  await self.compile(3)
  await self.isOpen(GATES)

  await served('app.test')
  t.equal(compiledOf(a) + compiledOf(b), 200, 'nginx serves alone')

  Object.assign(path, { late: 0.25, mostMs: 1500 })
  let [opened, steps] = [0, 0]
  const endsAtMs = performance.now() + SECONDS * 1000
  while (performance.now() < endsAtMs) {
    const step = STEPS[Math.floor(random() * STEPS.length)] ?? STEPS[0]
    path.lost = random() * 0.7
    await change(...operations[step.what])
    // Gates to it are two hosts' and its own; those of the other upstream stay open.
    const isOpen = (): boolean => gates().length === GATES
    const untilMs = performance.now() + random() * MOST_STEP_MS
    let isLast: boolean
    do {
      isLast = isOpen() || performance.now() > untilMs
      const who = Object.keys(await served('app.test', '/', gateway.httpPort, 60))
      const wrong = who.filter((id) => !(step.left as readonly string[]).includes(id))
      if (wrong.length > 0) {
        t.fail(`${wrong.join()} answered after ${step.what}; ${gates().length} gates are open`)
      }
    } while (!isLast)
    opened += isOpen() ? 1 : 0
    steps++
  }
  t.comment(`${steps} steps, after ${opened} of them gates were open;`, path.counts)
  t.ok(path.counts.lost > 0 && path.counts.late > 0, 'datagrams were lost and late')

  Object.assign(path, { lost: 0, late: 0 })
  await change(...operations['as it was'])
  // nginx waits up to 20 s for an answer that was lost, and asks anew.
  const clearMs = performance.now()
  await self.isOpen(GATES, 60_000)
  t.comment(`all gates open ${Math.round(performance.now() - clearMs)} ms after the last loss`)
  t.same(Object.keys(await served('app.test')).sort(), ['a', 'b'])
})
