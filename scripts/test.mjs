// npm test [file or folder …]: everything, or only the test files named. Ends with one plain line
// of counts; a failure, a run of nothing, and in CI a skip too, make it end badly.
//
// It is not `tap run`, which counts a subtest and its assertions as one each, ends well when tests
// were skipped, and leaves what a test file has started when it is killed. Here a test counts once,
// CI refuses skips, and each file has a process group that ends with it.
import { spawn } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { buildIfStale, install, requireNode, root } from './prepare.mjs'

/** Tests wait for about half of their time, so three at once keep two processors busy. */
const JOBS = 3
/** End-to-end tests bring load of their own, and hold that it was large enough. */
const LOADED_JOBS = 2
const FILE_TIMEOUT_MS = 240_000
const CHECKS = ['lint', 'typecheck', 'format:check', 'dead-code']
/** What fetches the programs of others that tests run. */
const TOOLS = [
  { script: 'lab/tools.ts', neededBy: /^test\/(conformance|integration|e2e)\// },
  { script: 'bench/tools.ts', neededBy: /\/(bench\/|instructions\.)/ },
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
  const tools = TOOLS.filter(({ neededBy }) => files.some((file) => neededBy.test(file)))
  const fetched = tools.length > 0 && step('tools', () => fetchTools(tools))
  // What needs no tools runs while they are downloaded, the slow checks first.
  const [waiting, ready] = parted(files, (file) =>
    TOOLS.some(({ neededBy }) => neededBy.test(file)),
  )
  const checks = selection.length === 0 ? CHECKS.map((name) => () => staticCheck(name)) : []
  await runAll([...checks, ...ready.map(jobOf)])
  await fetched
  const [last, first] = parted(waiting, (file) => file.startsWith('test/e2e/'))
  await runAll(longestFirst(first).map(jobOf))
  await runAll(longestFirst(last).map(jobOf), LOADED_JOBS)
}

async function buildAll() {
  const { compile } = await import('./compile.mjs')
  await Promise.all([buildIfStale(() => undefined), compile()])
}

function jobOf(file) {
  return () => testFile(file)
}

function parted(files, belongs) {
  return [files.filter(belongs), files.filter((file) => !belongs(file))]
}

/** So that the end of a run is not one long file alone. Long text is the sign of a long run. */
function longestFirst(files) {
  const bytes = (file) => statSync(join(root, file)).size
  return files.sort((a, b) => bytes(b) - bytes(a))
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

async function fetchTools(tools) {
  for (const { script } of tools) {
    await runCommand(process.execPath, ['--import', 'tsx', script], 'inherit')
  }
}

function runCommand(command, args, stdout = 'pipe') {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', stdout, stdout] })
    const stop = () => child.kill()
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk) => (output += chunk))
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

async function runAll(jobs, atOnce = JOBS) {
  const queue = [...jobs]
  const worker = async () => {
    for (let job = queue.shift(); job; job = queue.shift()) {
      await job()
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
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
