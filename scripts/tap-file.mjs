// Runs one test file in a process group of its own and says what came of it.
import { spawn } from 'node:child_process'
import { Parser } from 'tap-parser'
import { compiledArguments } from './prepare.mjs'

const OUTPUT_LIMIT = 64 * 1024
const GRACE_MS = 5_000

/**
 * A test is a subtest without subtests of its own, or an assertion beside subtests or at the root
 * of a file. So a loop of assertions inside one test counts once, as a reader would count it.
 *
 * @returns {Promise<{ durationMs: number, tests: { name: string, ok: boolean, skip?: string,
 * detail: string }[] }>}
 */
export async function runTapFile(file, options) {
  const startedAtMs = Date.now()
  const parser = new Parser()
  const points = pointsOf(parser)
  const results = new Promise((resolve) => parser.on('complete', resolve))
  const { problem, output } = await runNode(file, parser, options)
  const { plan, bailout, ok } = await results
  const tests = testsIn(points)
  const skipAll = plan.skipAll && plan.skipReason !== 'no tests found'
  if (skipAll) {
    tests.push(test([], file, true, plan.skipReason || true))
  }
  const anyFailed = tests.some((test) => !test.ok)
  const broken = broke({ anyFailed, bailout, ok, problem, ran: tests.length })
  if (broken) {
    tests.push(test([], broken, false, false, output))
  }
  return { tests, durationMs: Date.now() - startedAtMs }
}

function broke({ anyFailed, bailout, ok, problem, ran }) {
  if (bailout) {
    return `bailed out: ${bailout}`
  }
  if (problem?.timeout) {
    return problem.message
  }
  if (problem && !anyFailed) {
    return problem.message
  }
  if (ran === 0) {
    return 'no test in this file ran'
  }
  return !ok && !anyFailed ? 'the TAP output is not whole' : undefined
}

function pointsOf(parser) {
  const points = []
  let inside
  let name
  const add = (result) => {
    points.push({ result, inside })
    inside = undefined
  }
  parser.on('child', (subtest) => {
    inside = pointsOf(subtest)
    name = subtest.name
  })
  parser.on('assert', add)
  parser.on('complete', () => {
    if (inside) {
      add({ ok: false, name, tapError: 'it was not finished' })
    }
  })
  return points
}

function testsIn(points, path = []) {
  return points.flatMap(({ result, inside }) => {
    if (inside?.some((point) => point.inside)) {
      return group(result, inside, path)
    }
    const [skipped] = [result, ...(inside ?? []).map((point) => point.result)].filter(leftOut)
    const failures = (inside ?? []).map((point) => point.result).filter((each) => !each.ok)
    const detail = (failures.length ? failures : [result]).map(diagnosis).join('\n')
    return [test(path, result.name, result.ok || Boolean(result.todo), leftOut(skipped), detail)]
  })
}

function group(result, inside, path) {
  const tests = testsIn(inside, [...path, result.name])
  // A plan not kept, for instance, fails the group although each test in it passed.
  if (!result.ok && tests.every(({ ok }) => ok)) {
    tests.push(test(path, result.name, false, false, diagnosis(result)))
  }
  return tests
}

function leftOut(result) {
  return result?.skip || result?.todo
}

function test(path, name, ok, skip, detail = '') {
  const reason = skip === true ? 'no reason given' : skip || undefined
  return { name: [...path, name].join(' › '), ok, skip: reason, detail }
}

function diagnosis({ name, diag, tapError }) {
  const { diff, stack, source, ...rest } = diag ?? {}
  const facts = Object.entries(rest)
    .filter(([key]) => key !== 'at')
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
  return [name, tapError, ...facts, diff, source, stack].filter(Boolean).join('\n')
}

function runNode(file, parser, { cwd, timeoutMs }) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, compiledArguments(file), {
      cwd,
      detached: true,
      // tap's own limit is 30 s, which a busy machine passes. It ends before ours, for it can say
      // what was still open.
      env: { TAP_TIMEOUT: String((0.9 * timeoutMs) / 1000), ...process.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    const keep = (chunk) => (output = (output + chunk).slice(-OUTPUT_LIMIT))
    parser.on('extra', keep)
    child.stderr.setEncoding('utf8').on('data', keep)
    child.stdout.setEncoding('utf8').pipe(parser)
    const watch = stopWhenLate(child, timeoutMs)
    child.on('exit', (code, signal) => {
      watch.end()
      resolve({ problem: problemOf({ code, signal, late: watch.late, timeoutMs }), output })
    })
  })
}

function problemOf({ code, signal, late, timeoutMs }) {
  if (late) {
    return { timeout: true, message: `not done after ${timeoutMs / 1000} s` }
  }
  if (signal) {
    return { message: `the test process died of ${signal}` }
  }
  return code === 0 ? undefined : { message: `the test process ended with exit code ${code}` }
}

/** The whole group goes, so that no server a test started outlives it. */
function stopWhenLate(child, timeoutMs) {
  const kill = (signal) => {
    try {
      process.kill(-child.pid, signal)
    } catch (error) {
      if (error.code !== 'ESRCH') {
        throw error
      }
    }
  }
  const watch = { late: false }
  const onExit = () => kill('SIGKILL')
  process.on('exit', onExit)
  const timers = [
    setTimeout(() => ((watch.late = true), kill('SIGTERM')), timeoutMs),
    setTimeout(() => kill('SIGKILL'), timeoutMs + GRACE_MS),
  ]
  watch.end = () => {
    timers.forEach(clearTimeout)
    process.off('exit', onExit)
    kill('SIGKILL')
  }
  return watch
}
