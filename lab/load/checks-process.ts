// The controller's checks in a process of their own, so that their cost stands apart from all else.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Checker } from '../../controller/health/checks/checker.js'
import { silentLogger } from '../../runtime/logger.js'
import type { ChecksAnswer, ChecksQuestion } from './checks.js'
import { answerParent } from './child.js'

const RESOLUTION_MS = 5

let changes = 0
const checker = new Checker({ log: silentLogger, onChange: (keys) => (changes += keys.length) })
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
delay.enable()

let cpu = process.cpuUsage()
let sinceMs = performance.now()
let counted = checker.counts()

/** What was used and done since the last time that this was asked. */
function measure(): ChecksAnswer {
  const used = process.cpuUsage(cpu)
  const now = performance.now()
  const counts = checker.counts()
  const answer = {
    tookMs: now - sinceMs,
    cpuMs: (used.user + used.system) / 1000,
    worstDelayMs: delay.max / 1e6 - RESOLUTION_MS,
    p99DelayMs: delay.percentile(99) / 1e6 - RESOLUTION_MS,
    passed: counts.passed - counted.passed,
    failed: counts.failed - counted.failed,
    changes,
  }
  delay.reset()
  changes = 0
  ;[cpu, sinceMs, counted] = [process.cpuUsage(), now, counts]
  return answer
}

answerParent((body) => {
  const { targets } = body as ChecksQuestion
  if (targets === undefined) {
    return measure()
  }
  const startMs = performance.now()
  checker.setTargets(targets)
  const firstMs = performance.now()
  checker.setTargets(targets.map((target) => ({ ...target })))
  return { firstMs: firstMs - startMs, againMs: performance.now() - firstMs }
})
