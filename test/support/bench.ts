/** Lets a test run parts of the bench, with the smallest counts. */
import type { Test } from 'tap'
import type { Bench, Part, PartResult } from '../../bench/report/report.js'
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

/** How many rows the report of each part has in a small run, by the test file that runs it. */
export const ROWS = {
  changes: { visible: 3, changes: 2, reload: 11, churn: 5, checks: 3, lanes: 8 },
  connections: { handshake: 3, tcp: 3, many: 1 },
  counts: { instructions: 1, apply: 5, scale: 3, routes: 6, 'request-kinds': 15, 'kept-peers': 4 },
  instances: { pick: 4, memory: 4, fairness: 6, 'slow-one': 6 },
  requests: { throughput: 4, workers: 1, latency: 3, lua: 4, proxies: 14 },
}

/** A row that is left out where no process may trace another. */
const UNSURE = /calls of the kernel$/

/** Runs the parts of one test file, as small as can be: each ends, and yields its figures. */
export async function testParts(t: Test, file: keyof typeof ROWS): Promise<void> {
  const PARTS = await smallParts()
  const lacks = await lackingTools(t)
  for (const [name, rows] of Object.entries(ROWS[file])) {
    await t.test(`the part ${name} yields its figures`, { skip: lacks }, async (t) => {
      const part = PARTS.find((each) => each.name === name)
      if (part === undefined) {
        throw new Error(`no part is named ${name}`)
      }
      const found = await part.run(benchOf(t))
      const sure = found.rows.filter(([what = '']) => !UNSURE.test(what))
      t.equal(sure.length, rows, 'each row is there')
      checkFigures(t, found)
    })
  }
}

/** The counts are made when the parts are loaded. */
export async function smallParts(): Promise<Part[]> {
  process.env.BENCH_SIZE = 'small'
  const { PARTS } = await import('../../bench/run.js')
  return PARTS
}

/** Without them some parts throw, and others leave rows out. */
async function lackingTools(t: Test): Promise<string | false> {
  const { ensureTracers } = await import('../../bench/trace/tracers.js')
  const { ensureWrk } = await import('../../bench/load/wrk.js')
  const say = (line: string): void => t.comment(line)
  const [tracers, wrk] = [await ensureTracers(say), await ensureWrk(say)]
  return (
    (tracers === undefined && 'valgrind and strace cannot run here') ||
    (wrk === undefined && 'wrk could not be had')
  )
}

function checkFigures(t: Test, { rows, columns, numbers }: PartResult): void {
  for (const row of rows) {
    t.equal(row.length, columns.length, `a cell for each column: ${row.join(' | ')}`)
    t.match(row.slice(1).join(' '), /\d/, 'a figure in each row')
    t.notMatch(row.join(' '), /NaN|undefined|Infinity|∞/, 'each figure is a number')
  }
  t.not(Object.keys(numbers).length, 0, 'there are numbers')
}
