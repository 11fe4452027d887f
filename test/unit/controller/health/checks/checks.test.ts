/** Verdicts, schedules and reports of active checks. */
import fc from 'fast-check'
import t from 'tap'
import { guardCheckPolicy } from '../../../../../contract/record/check-policy.js'
import type { CheckPolicy } from '../../../../../contract/record/check-policy.js'
import { attempt } from '../../../../../controller/health/checks/attempt.js'
import type { CheckResult } from '../../../../../controller/health/checks/attempt.js'
import { DueQueue } from '../../../../../controller/health/checks/due-queue.js'
import { Reporter } from '../../../../../controller/health/checks/reporter.js'
import { CheckSchedule } from '../../../../../controller/health/checks/schedule.js'
import { VerdictCounter } from '../../../../../controller/health/checks/verdict.js'
import type { Verdict } from '../../../../../controller/health/checks/verdict.js'
import type { Logger } from '../../../../../runtime/logger.js'
import { until } from '../../../../../lab/until.js'

function policy(given: object = {}): CheckPolicy {
  const checked = guardCheckPolicy({ type: 'tcp', ...given })
  if (!checked.ok) {
    throw new Error(`${checked.field} ${checked.message}`)
  }
  return checked.value
}

const PASS: CheckResult = { ok: true }
const fail = (reason = 'check failed: refused'): CheckResult => ({ ok: false, reason })

/** `.` passes, `x` fails; answers the state after each. */
function states(standing: VerdictCounter, results: string, given: CheckPolicy): string {
  return [...results]
    .map((result) => standing.take(result === '.' ? PASS : fail(), given, 1, 1).state)
    .map((state) => (state === 'up' ? 'u' : 'd'))
    .join('')
}

t.test('fails in a row take an instance out, and passes in a row bring it back', async (t) => {
  const given = policy({ fall: 3, rise: 2 })
  const of = (results: string, more = {}) => {
    const policy = { ...given, ...more }
    return states(new VerdictCounter(policy, undefined, 0), results, policy)
  }
  t.equal(of('xx.xxx'), 'uuuuud')
  t.equal(of('xxx.x..'), 'uuddddu')
  t.equal(of('x.', { fall: 1, rise: 1 }), 'du')
})

t.test('one that begins down needs one pass, then it is as any other', async (t) => {
  const given = policy({ initial: 'down', fall: 2, rise: 3 })
  const standing = new VerdictCounter(given, undefined, 7)
  t.same(standing.verdict, { state: 'down', reason: 'not checked yet', atMs: 7 })
  t.equal(states(standing, 'x.xx..', given), 'duuddd')
  t.equal(states(standing, '.', given), 'u')
})

t.test('what was concluded before counts for more than what the policy begins with', async (t) => {
  const given = policy({ initial: 'up', rise: 2 })
  const before = { state: 'down', reason: 'check failed: refused' } as const
  const standing = new VerdictCounter(given, before, 7)
  t.same(standing.verdict, { ...before, atMs: 7 })
  t.equal(states(standing, '..', given), 'du')
  const mandatory = policy({ initial: 'down' })
  t.equal(new VerdictCounter(mandatory, { state: 'up' }, 7).verdict.state, 'up')
})

t.test('the reason is the last failure, and there is none while it is up', async (t) => {
  const given = policy({ fall: 2, rise: 2 })
  const standing = new VerdictCounter(given, undefined, 0)
  t.same(standing.take(fail('a'), given, 1, 2), { state: 'up', atMs: 1, latencyMs: 2 })
  t.match(standing.take(fail('b'), given, 2, 2), { state: 'down', reason: 'b' })
  t.match(standing.take(fail('c'), given, 3, 2), { state: 'down', reason: 'c' })
  t.match(standing.take(PASS, given, 4, 2), { state: 'down', reason: 'c', atMs: 4 })
  t.same(standing.take(PASS, given, 5, 3), { state: 'up', atMs: 5, latencyMs: 3 })
})

t.test('another policy keeps the verdict and counts anew', async (t) => {
  const given = policy({ fall: 3 })
  const standing = new VerdictCounter(given, undefined, 0)
  states(standing, 'xx', given)
  standing.restart()
  t.equal(states(standing, 'xxx', given), 'uud')
  standing.restart()
  t.equal(standing.verdict.state, 'down')
})

t.test('the queue gives what is due first, whatever is moved or taken out', async (t) => {
  const step = fc.tuple(fc.constantFrom('put', 'remove', 'first'), fc.nat(19), fc.nat(50))
  const holds = fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const items = Array.from({ length: 20 }, () => ({ dueMs: 0, place: -1 }))
    const queue = new DueQueue<(typeof items)[number]>()
    const inside = new Set<(typeof items)[number]>()
    return steps.every(([what, index, dueMs]) => {
      const item = what === 'first' ? queue.first : items[index]
      if (item !== undefined && what === 'put') {
        item.dueMs = dueMs
        queue.put(item)
        inside.add(item)
      } else if (item !== undefined) {
        queue.remove(item)
        inside.delete(item)
      }
      const least = Math.min(...[...inside].map(({ dueMs }) => dueMs))
      return (queue.first?.dueMs ?? Infinity) === least
    })
  })
  t.doesNotThrow(() => fc.assert(holds))
})

t.test('new ones are spread evenly, at first and ever after', async (t) => {
  const count = 1000
  const intervalMs = 5000
  const rhythms = Array.from({ length: count }, (_, index) => new CheckSchedule(index))
  const firsts = rhythms.map((rhythm, index) => rhythm.first(123_456, intervalMs, index, count))
  const most = (times: number[], fromMs: number): number => {
    const parts = new Map<number, number>()
    for (const ms of times) {
      const part = Math.floor((((ms - fromMs) % intervalMs) / intervalMs) * 50)
      parts.set(part, (parts.get(part) ?? 0) + 1)
    }
    t.equal(parts.size, 50)
    return Math.max(...parts.values())
  }
  t.ok(most(firsts, 123_456) <= 21)
  const seconds = rhythms.map((rhythm, index) => rhythm.next(firsts[index] ?? 0, intervalMs, 0))
  t.ok(most(seconds, 0) <= 23, `${most(seconds, 0)} of 1000 in a 50th`)
  const gaps = seconds.map((ms, index) => ms - (firsts[index] ?? 0))
  t.ok(Math.min(...gaps) >= intervalMs / 2)
  t.ok(Math.max(...gaps) <= intervalMs * 1.5)
})

t.test('those that come one by one are asked at once, and are spread after', async (t) => {
  const rhythms = Array.from({ length: 100 }, (_, index) => new CheckSchedule(index))
  t.same(
    rhythms.map((rhythm) => rhythm.first(77, 5000, 0, 1)),
    rhythms.map(() => 77),
  )
  const parts = rhythms.map((rhythm) => Math.floor((rhythm.next(77, 5000, 0) % 5000) / 500))
  t.equal(new Set(parts).size, 10)
})

t.test('whoever has a long interval is asked soon nevertheless', async (t) => {
  const hour = 3_600_000
  const dues = Array.from({ length: 100 }, (_, i) => new CheckSchedule(i).first(0, hour, i, 100))
  t.ok(Math.max(...dues) < 10_000)
})

t.test('no delay adds up, jitter only delays, and what was missed stays missed', async (t) => {
  const times = fc.array(fc.nat(2000), { minLength: 20, maxLength: 50 })
  fc.assert(
    fc.property(times, fc.nat(50), (tooks, jitter) => {
      const rhythm = new CheckSchedule(3)
      let dueMs = rhythm.first(1000, 5000, 0, 1)
      dueMs = rhythm.next(dueMs, 5000, 0)
      const origin = dueMs
      return tooks.every((tookMs, index) => {
        dueMs = rhythm.next(dueMs + tookMs, 5000, jitter)
        const lateMs = dueMs - origin - (index + 1) * 5000
        return lateMs >= -0.01 && lateMs <= jitter * 50 + 0.01
      })
    }),
  )
  const rhythm = new CheckSchedule(3)
  rhythm.next(rhythm.first(0, 5000, 0, 1), 5000, 0)
  const after = rhythm.next(1_000_000, 5000, 0)
  t.ok(after >= 997_500 && after <= 1_002_500, `${after}`)
})

t.test('an attempt has one end, whatever comes after it', async (t) => {
  let ends = 0
  const result = await attempt(1000, new AbortController().signal, ({ pass, fail, failBy }) => {
    pass()
    fail('late')
    failBy(new Error('later'))
    return () => (ends += 1)
  })
  t.same([result, ends], [{ ok: true }, 1])
  const thrown = await attempt(1000, new AbortController().signal, () => {
    throw Object.assign(new Error('no more'), { code: 'EMFILE' })
  })
  t.match(thrown, { ok: false, isOurs: true })
})

t.test('a process that was held up does not blame the instance', async (t) => {
  const result = await attempt(50, new AbortController().signal, ({ pass }) => {
    const timer = setTimeout(() => setImmediate(pass), 40)
    const untilMs = performance.now() + 400
    while (performance.now() < untilMs) {}
    return () => clearTimeout(timer)
  })
  t.same(result, { ok: true })
})

/** What a reporter writes, a line each, and what it calls. */
function listen(now = () => 0) {
  const lines: string[] = []
  const notified: string[][] = []
  const write = (_: unknown, message: string): void => void lines.push(message)
  const log = { debug: write, info: write, warn: write, error: write } as unknown as Logger
  return { lines, notified, reporter: new Reporter(log, now, (keys) => void notified.push(keys)) }
}

const up: Verdict = { state: 'up', atMs: 1 }
const down: Verdict = { state: 'down', reason: 'check failed: refused', atMs: 1 }

t.test('changes are written one by one, or counted when they are many', async (t) => {
  const { lines, notified, reporter } = listen()
  reporter.note('web/1', up, down)
  reporter.note('web/2', down, up)
  reporter.note('web/3', undefined, up)
  reporter.note('web/4', down, { ...down, atMs: 2 })
  reporter.note('web/5', down, { ...down, reason: 'check failed: answered 503' })
  await until(() => notified.length === 1)
  t.same(notified[0], ['web/1', 'web/2', 'web/5'])
  t.same(lines, ['instance is down by its checks', 'instance is up by its checks'])
  for (let index = 0; index < 11; index++) {
    reporter.note(`web/${index}`, up, down)
  }
  reporter.forget('web/0')
  reporter.note('web/11', up, down)
  await until(() => notified.length === 2)
  t.same(lines.slice(2), ['many instances changed by checks'])
})

t.test('what goes on is warned of once a minute', async (t) => {
  let nowMs = 0
  const { lines, reporter } = listen(() => nowMs)
  for (nowMs = 0; nowMs <= 120_000; nowMs += 1000) {
    reporter.unmade('check could not be made: EMFILE')
    reporter.late(4000, 5000, 64)
  }
  t.equal(lines.length, 3)
  reporter.late(6000, 5000, 64)
  t.equal(lines[3], 'health checks are late by more than their interval')
})
