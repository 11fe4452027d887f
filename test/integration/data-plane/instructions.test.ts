/**
 * What a request costs a worker, against the static upstream{} of the same nginx: as much as is on record, and no call of the
 * kernel more. A change that costs more on purpose writes its new ratio into the record.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { countInstructions, countSystemCalls } from '../../../bench/rig/counted.js'
import type { Bench } from '../../../bench/report/report.js'
import { ensureTracers } from '../../../bench/trace/tracers.js'
import { messageOf } from '../../../runtime/errors.js'
import { temporaryFolder } from '../../../lab/temp.js'

t.setTimeout(170_000)

const RECORD = new URL('instructions.json', import.meta.url)
const MOST_OVER = 1.05

const record = JSON.parse(readFileSync(RECORD, 'utf8')) as Record<string, number>
const tracers = await ensureTracers((line) => t.comment(line))

for (const engine of ['njs', 'qjs'] as const) {
  t.test(engine, { skip: tracers === undefined && 'valgrind cannot run here' }, async (t) => {
    if (tracers === undefined) {
      return
    }
    for (const peers of [2, 16]) {
      const what = `${engine}, ${peers} peers`
      const most = (record[what] ?? 0) * MOST_OVER
      const { fixed, sluice, ratio } = await countInstructions(benchOf(t), tracers, {
        engine,
        peers,
      })
      t.comment(`${what}: ${Math.round(sluice)} / ${Math.round(fixed)} = ${ratio.toFixed(3)}`)
      t.ok(ratio < most, `${ratio.toFixed(3)} < ${most.toFixed(3)}`)
    }
    try {
      const calls = await countSystemCalls(benchOf(t), tracers, { engine, peers: 2 })
      t.comment(`calls of the kernel: ${calls.sluice} and ${calls.fixed}`)
      // The pool's questions come once a second, on either side.
      t.ok(Math.abs(calls.sluice - calls.fixed) < 0.1, 'as many calls of the kernel')
    } catch (error) {
      if (!/Operation not permitted/.test(messageOf(error))) {
        throw error
      }
      t.comment('not counted here: calls of the kernel, for no process may trace another')
    }
  })
}

interface Teller {
  teardown(fn: () => unknown): void
  comment(...lines: unknown[]): void
}

function benchOf(t: Teller): Bench {
  return {
    folder: temporaryFolder(t, 'counted'),
    say: (line) => t.comment(line),
    onEnd: (close) => {
      t.teardown(close)
    },
  }
}
