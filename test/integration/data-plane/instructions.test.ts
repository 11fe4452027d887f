/**
 * What a request costs a worker, against the static upstream{} of the same nginx: as much as is on
 * record, and no call of the kernel more. `npm run bench -- instructions` counts in the same way.
 * A change that costs more on purpose writes its new ratio into the record.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { countEngine } from '../../../bench/parts/instructions.js'
import { ensureTracers } from '../../../bench/trace/tracers.js'
import { benchOf } from '../../support/bench.js'

t.setTimeout(240_000)

const RECORD = new URL('instructions.json', import.meta.url)
const MOST_OVER = 1.05

const record = JSON.parse(readFileSync(RECORD, 'utf8')) as Record<string, number>
const tracers = await ensureTracers((line) => t.comment(line))
const skip = tracers === undefined && 'valgrind cannot run here'

for (const engine of ['njs', 'qjs'] as const) {
  t.test(`${engine}: a request costs no more than is on record`, { skip }, async (t) => {
    if (tracers === undefined) {
      return
    }
    const found = await countEngine(benchOf(t), tracers, engine, (name) => name in record)
    const { [`${engine}, calls of the kernel`]: calls, ...instructions } = found
    for (const [what, { fixed, sluice, ratio }] of Object.entries(instructions)) {
      const most = (record[what] ?? 0) * MOST_OVER
      t.comment(`${what}: ${Math.round(sluice)} / ${Math.round(fixed)} = ${ratio.toFixed(3)}`)
      t.ok(ratio < most, `${what}: ${ratio.toFixed(3)} < ${most.toFixed(3)}`)
    }
    const wanted = Object.keys(record).filter((name) => name.startsWith(`${engine},`))
    t.same(Object.keys(instructions), wanted, 'all that is on record was counted')
    if (calls !== undefined) {
      t.comment(`calls of the kernel: ${calls.sluice} and ${calls.fixed}`)
      // The pool's questions come once a second, on either side.
      t.ok(Math.abs(calls.sluice - calls.fixed) < 0.1, 'as many calls of the kernel')
    }
  })
}
