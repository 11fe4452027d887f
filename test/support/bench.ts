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
