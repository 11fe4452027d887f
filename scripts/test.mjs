// npm test [file or folder …]: everything, or only the test files named. Ends with one plain line
// of counts; a failure, a run of nothing, and in CI a skip too, make it end badly.
//
// It is not `tap run`, which counts a subtest and its assertions as one each, ends well when tests
// were skipped, and leaves what a test file has started when it is killed. Here a test counts once,
// CI refuses skips, and each file has a process group that ends with it.
import { spawn } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { buildIfStale, compiledArguments, install, requireNode, root } from './prepare.mjs'
import { runJobs } from './schedule.mjs'

/**
 * Tests wait for about half of their time, so three at once keep two processors busy. End-to-end
 * tests bring load of their own, and hold that it was large enough: two of them fill the room.
 */
const ROOM = 6
const SHARE = 2
const LOADED_SHARE = 3
/** These wait for nearly all of their time: for nginx's timeouts, and for its rounds of names. */
const WAITING = /\/(data-plane\/retry|push\/(pool|pool-stranger)|registry\/http)\./
const WAITING_SHARE = 1
const FILE_TIMEOUT_MS = 240_000
const CHECKS = ['lint', 'format:check', 'typecheck', 'dead-code']
/** The groups of programs that bench/fetch-tools.ts fetches, and which tests wait for them. */
const TOOLS = {
  nginx:
    /^test\/(conformance|integration|e2e)\/|\/(cli|fallback|own-directives|strangers|trusted-ca)\./,
  docker: /\/docker\.|setup\/tools\./,
  bench: /integration\/(bench\/|.*\/(instructions|long-requests)\.)/,
  consul: /\/(consul|sources)\./,
  examples: /\/(examples|how-to)\./,
}
/** Files that take a minute, the longest first, whatever their size. The order costs time alone. */
const LONG = [
  'test/integration/agent/docker',
  'test/e2e/churn',
  'test/e2e/examples',
  'test/unit/cli/cli',
  'test/e2e/start',
  'test/integration/stream/stream',
  'test/integration/bench/counts',
  'test/integration/data-plane/instructions',
  'test/integration/data-plane/long-requests',
  'test/integration/data-plane/retry',
  'test/e2e/kill',
  'test/e2e/kill-compiled',
  'test/integration/bench/instances',
  'test/integration/push/controller-gateway',
  'test/integration/bench/requests',
  'test/integration/data-plane/data-plane',
  'test/integration/stream/tuned',
  'test/integration/data-plane/own-conf',
  'test/integration/bench/changes',
  'test/integration/bench/connections',
]
const inCi = /^(1|true)$/i.test(process.env.CI ?? '')

const total = { passed: 0, failed: 0, skipped: 0 }

requireNode(20)
// Through 'exit', what runs is killed with us.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => process.exit(1))
}
try {
  await main(process.argv.slice(2))
} catch (error) {
  console.error(error.message)
  total.failed += 1
}
finish()

async function main(selection) {
  install(console.log)
  await step('build', buildAll)
  const files = testFiles(selection)
  const tools = fetchTools(files)
  const checks = selection.length === 0 ? CHECKS : []
  await runJobs(
    [
      ...checks.map((name) => ({ run: () => staticCheck(name), share: SHARE })),
      ...inOrder(files).map((file) => ({
        run: () => testFile(file),
        needs: groupsFor(file).map((name) => tools.get(name)),
        share: shareOf(file),
      })),
    ],
    ROOM,
  )
}

async function buildAll() {
  const { compile } = await import('./compile.mjs')
  await Promise.all([buildIfStale(() => undefined), compile()])
}

/** End-to-end tests last; the longest first, so that no end of a run is one long file alone. */
function inOrder(files) {
  const rankOf = (file) => {
    const rank = LONG.indexOf(file.replace('.test.ts', ''))
    return rank === -1 ? LONG.length : rank
  }
  const bytes = (file) => statSync(join(root, file)).size
  return files.sort(
    (a, b) => isLoaded(a) - isLoaded(b) || rankOf(a) - rankOf(b) || bytes(b) - bytes(a),
  )
}

function shareOf(file) {
  if (isLoaded(file)) {
    return LOADED_SHARE
  }
  return WAITING.test(file) ? WAITING_SHARE : SHARE
}

function isLoaded(file) {
  return file.startsWith('test/e2e/')
}

function groupsFor(file) {
  return Object.keys(TOOLS).filter((name) => TOOLS[name].test(file))
}

function testFiles(selection) {
  const chosen = selection.map((path) => relative(root, resolve(path)))
  return readdirSync(join(root, 'test'), { recursive: true })
    .map((name) => join('test', name))
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => chosen.length === 0 || chosen.some((path) => within(path, file)))
    .sort()
}

function within(path, file) {
  return path === '' || file === path || file.startsWith(`${path}/`)
}

/** A step that fails fails the run, but the rest goes on: it may show why. */
async function step(what, work) {
  const startedAtMs = Date.now()
  const error = await work().then(
    () => undefined,
    (reason) => reason,
  )
  report({ ok: !error, what, ms: Date.now() - startedAtMs })
  if (!error) {
    return
  }
  total.failed += 1
  console.log(indented(error.message))
}

function staticCheck(name) {
  return step(`npm run ${name}`, () => runCommand('npm', ['run', '--silent', name]))
}

/** Fetches what these files need; by group of programs, when it is there or has failed. */
function fetchTools(files) {
  const groups = [...new Set(files.flatMap(groupsFor))]
  const settled = new Map(groups.map((name) => [name, withResolver()]))
  const onLine = (line) => {
    console.log(line)
    settled.get(/^tools: (\w+) is there$/.exec(line)?.[1])?.resolve()
  }
  if (groups.length > 0) {
    const script = [...compiledArguments('bench/fetch-tools.ts'), ...groups]
    // A test whose program could not be fetched fails by itself.
    void step('tools', () => runCommand(process.execPath, script, onLine)).then(() => {
      settled.forEach(({ resolve }) => resolve())
    })
  }
  return new Map([...settled].map(([name, { promise }]) => [name, promise]))
}

function withResolver() {
  let resolve
  const promise = new Promise((settle) => (resolve = settle))
  return { promise, resolve }
}

/** `onLine`: hears of each line at once; otherwise the output is for the error alone. */
function runCommand(command, args, onLine = () => undefined) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    const stop = () => child.kill()
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on('line', (line) => {
        output += `${line}\n`
        onLine(line)
      })
    }
    process.on('exit', stop)
    child.on('error', reject)
    child.on('close', (code) => {
      process.off('exit', stop)
      if (code === 0) {
        resolve()
      } else {
        reject(new Error(output || `${command} ended with exit code ${code}`))
      }
    })
  })
}

async function testFile(file) {
  const { runTapFile } = await import('./tap-file.mjs')
  tally(file, await runTapFile(file, { cwd: root, timeoutMs: FILE_TIMEOUT_MS }))
}

function tally(file, { tests, durationMs }) {
  const skipped = tests.filter((test) => test.ok && test.skip)
  const failed = tests.filter((test) => !test.ok)
  total.skipped += skipped.length
  total.failed += failed.length
  total.passed += tests.length - skipped.length - failed.length
  report({ ok: failed.length === 0, what: `${file} (${tests.length})`, ms: durationMs })
  for (const test of skipped) {
    console.log(indented(`skipped: ${test.name}: ${test.skip}`))
  }
  for (const test of failed) {
    console.log(indented(`failed: ${test.name}\n${indented(test.detail)}`))
  }
}

function report({ ok, what, ms }) {
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${(ms / 1000).toFixed(1).padStart(6)} s  ${what}`)
}

function indented(text) {
  return text.trimEnd().replace(/^/gm, '    ')
}

function finish() {
  const { passed, failed, skipped } = total
  if (inCi && skipped > 0) {
    console.log('In CI nothing may be skipped.')
  }
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  const bad = failed > 0 || passed === 0 || (inCi && skipped > 0)
  process.exit(bad ? 1 : 0)
}
