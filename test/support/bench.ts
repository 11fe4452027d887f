/** Lets a test run parts of the bench, with the smallest counts. */
import type { Test } from 'tap'
import type { Bench, PartResult } from '../../bench/report/report.js'
import { temporaryFolder } from '../../lab/temp.js'

/** What the part says becomes comments, and what it has started ends with the test. */
export function benchOf(t: Test): Bench {
  return {
    folder: temporaryFolder(t, 'bench'),
    say: (line) => t.comment(line),
    onEnd: (close) => {
      t.teardown(close)
    },
  }
}

/** Without valgrind they have nothing to count. */
const COUNT_INSTRUCTIONS = ['instructions', 'apply', 'scale', 'routes', 'ways']
const LOAD_WITH_WRK = ['latency', 'churn', 'peers']

/** Runs these parts of the bench, as small as can be: each ends, and yields its figures. */
export async function testParts(t: Test, ...names: string[]): Promise<void> {
  // The counts are made when the parts are loaded.
  process.env.BENCH_SIZE = 'small'
  const { PARTS } = await import('../../bench/run.js')
  const { ensureTracers } = await import('../../bench/trace/tracers.js')
  const { ensureWrk } = await import('../../bench/load/wrk.js')
  const say = (line: string): void => t.comment(line)
  const [tracers, wrk] = [await ensureTracers(say), await ensureWrk(say)]
  for (const name of names) {
    const part = PARTS.find((each) => each.name === name)
    const lacks =
      (COUNT_INSTRUCTIONS.includes(name) && tracers === undefined && 'valgrind cannot run here') ||
      (LOAD_WITH_WRK.includes(name) && wrk === undefined && 'wrk could not be had')
    await t.test(`the part ${name} yields its figures`, { skip: lacks }, async (t) => {
      if (part === undefined) {
        throw new Error(`no part is named ${name}`)
      }
      checkFigures(t, await part.run(benchOf(t)))
    })
  }
}

function checkFigures(t: Test, { rows, columns, numbers }: PartResult): void {
  t.ok(rows.length > 0, 'there are rows')
  for (const row of rows) {
    t.equal(row.length, columns.length, `a cell for each column: ${row.join(' | ')}`)
    t.notMatch(row.join(' '), /NaN|undefined/, 'each figure is a number')
  }
  t.not(Object.keys(numbers).length, 0, 'there are numbers')
}
