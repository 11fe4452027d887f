/** Lets a test run parts of the bench, with the smallest counts. */
import type { Test } from 'tap'
import type { Bench } from '../../bench/report/report.js'
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
const COUNT_INSTRUCTIONS = ['instructions', 'apply', 'pick', 'scale', 'routes', 'ways']
const LOAD_WITH_WRK = ['latency', 'churn', 'peers']

/**
 * Runs each part that counts instructions, or each that does not: it runs, and yields its figures.
 */
export async function testParts(t: Test, which: 'counting' | 'other'): Promise<void> {
  // The counts are made when the parts are loaded.
  process.env.BENCH_SIZE = 'small'
  const { PARTS } = await import('../../bench/run.js')
  const { ensureTracers } = await import('../../bench/trace/tracers.js')
  const { ensureWrk } = await import('../../bench/load/wrk.js')
  const say = (line: string): void => t.comment(line)
  const [tracers, wrk] = [await ensureTracers(say), await ensureWrk(say)]
  // Each waits more than it works: for a pool's members, for a second of load.
  t.jobs = 3
  for (const part of PARTS) {
    const isCounting = COUNT_INSTRUCTIONS.includes(part.name)
    if (isCounting !== (which === 'counting')) {
      continue
    }
    const lacks =
      (isCounting && tracers === undefined && 'valgrind cannot run here') ||
      (LOAD_WITH_WRK.includes(part.name) && wrk === undefined && 'wrk could not be had')
    const options = { buffered: true, skip: lacks }
    t.test(`the part ${part.name} yields its figures`, options, async (t) => {
      const finding = await part.run(benchOf(t))
      t.ok(finding.rows.length > 0, 'there are rows')
      for (const row of finding.rows) {
        t.equal(row.length, finding.columns.length, `a cell for each column: ${row.join(' | ')}`)
        t.notMatch(row.join(' '), /NaN|undefined/, 'each figure is a number')
      }
      t.not(Object.keys(finding.numbers).length, 0, 'there are numbers')
    })
  }
}
