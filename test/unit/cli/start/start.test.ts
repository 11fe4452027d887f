/** The supervisor's parts, each by itself. */
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../../../runtime/config/load.js'
import { SupervisedProcess } from '../../../../cli/start/supervised-process.js'
import { writeFiles } from '../../../../cli/start/file-set.js'
import { openHome } from '../../../../cli/start/home.js'
import { lockHome } from '../../../../cli/start/home-lock.js'
import { LogFile } from '../../../../cli/start/log-file.js'
import { findFree, requireFree } from '../../../../cli/start/ports.js'
import { holders, isRunning, tcpInodes, unixInodes } from '../../../../cli/start/proc.js'
import { shellWord } from '../../../../cli/start/first-commands.js'
import { freePort } from '../../../../lab/ports.js'
import { temporaryFolder } from '../../../../lab/temp.js'
import { until } from '../../../../lab/until.js'

function settingsOf(home: string) {
  return loadConfig({ flags: new Map([['home', home]]), environment: {}, directory: '/' }).settings
}

t.test('a home is made once, and what was chosen for it stays', async (t) => {
  const home = join(temporaryFolder(t), 'home')
  const first = await openHome(settingsOf(home))
  t.ok(first.poolPort >= 20_000 && first.poolPort <= 30_100)
  t.equal((await openHome(settingsOf(home))).poolPort, first.poolPort)
  t.equal(statSync(join(home, 'run')).mode & 0o777, 0o700)

  writeFileSync(join(home, 'pool-port'), 'many\n')
  await t.rejects(openHome(settingsOf(home)), {
    code: 'invalid',
    message: /pool-port holds "many"/,
  })
  t.equal(readFileSync(join(home, 'pool-port'), 'utf8'), 'many\n', 'left as it is')

  writeFileSync(join(home, 'pool-port'), '')
  const { poolPort } = await openHome(settingsOf(home))
  t.equal(
    readFileSync(join(home, 'pool-port'), 'utf8'),
    `${poolPort}\n`,
    'a power cut left nothing',
  )
})

t.test("the pool's port is none of those for routes", async (t) => {
  const home = join(temporaryFolder(t), 'home')
  const opened = await openHome({ ...settingsOf(home), streamPorts: '20000-30100' })
  t.ok(opened.poolPort > 30_100)
})

t.test('a home whose sockets would have too long a path is refused', async (t) => {
  const home = join(temporaryFolder(t), 'x'.repeat(100))
  await t.rejects(openHome(settingsOf(home)), { field: 'home', message: /at most/ })
  t.notOk(existsSync(home))
})

t.test('one process for each role in a home', async (t) => {
  const home = temporaryFolder(t)
  const lock = await lockHome(home, 'nginx', 'controller')
  t.equal(lock.wasHeld, false)
  const refusal = { code: 'conflict', message: new RegExp(`controller.* \\(pid ${process.pid}\\)`) }
  await t.rejects(lockHome(home, 'agent', 'controller'), refusal)
  const other = await lockHome(home, 'agent')
  await other.release()
  await lock.release()
  const next = await lockHome(home, 'controller')
  await next.release()

  // A killed one leaves the file of its socket behind.
  const path = join(home, 'run', 'nginx.lock')
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  await new Promise((resolve) => spawn(process.execPath, ['-e', script]).on('exit', resolve))
  t.ok(existsSync(path))
  const after = await lockHome(home, 'nginx')
  t.equal(after.wasHeld, true)
  await after.release()
})

t.test('a port that is taken is named, and a free one found', async (t) => {
  const port = await freePort()
  const wish = { host: '127.0.0.1', port, setting: 'httpPort', patienceMs: 0 } as const
  await requireFree(wish)
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  await t.rejects(requireFree(wish), {
    code: 'conflict',
    field: 'httpPort',
    message: new RegExp(`port ${port} .* in use .*--http-port or SLUICE_HTTP_PORT`),
  })
  const above = await findFree('127.0.0.1', port)
  t.ok(above > port)
  t.ok((await findFree('127.0.0.1', port, true, [above])) > above, 'what is to be avoided is')
  await t.rejects(requireFree({ ...wish, host: '192.0.2.1' }), /no address of this machine/)
  const patient = requireFree({ ...wish, patienceMs: 5000 })
  server.close()
  await patient
})

t.test('who holds a socket can be seen', async (t) => {
  const path = join(temporaryFolder(t), 'it.sock')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(path, resolve))
  t.teardown(() => server.close())
  t.same(holders(unixInodes(new Set([path]))), [process.pid])
  t.same(holders(unixInodes(new Set([path + 'x']))), [])
  const tcp = createServer()
  const port = await freePort()
  await new Promise<void>((resolve) => tcp.listen(port, '127.0.0.1', resolve))
  t.teardown(() => tcp.close())
  t.same(holders(tcpInodes(port)), [process.pid])
})

t.test('files are written only where they differ, and can be put back', async (t) => {
  const folder = temporaryFolder(t)
  const [kept, other, fresh] = ['kept', 'other', 'fresh'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  writeFileSync(kept, 'same')
  writeFileSync(other, 'old')
  const before = statSync(kept).ino
  const written = writeFiles(
    new Map([
      [kept, 'same'],
      [other, 'new'],
      [fresh, 'new'],
    ]),
  )
  t.same(written.changed, [other, fresh])
  t.equal(statSync(kept).ino, before)
  t.equal(readFileSync(other, 'utf8'), 'new')
  written.undo()
  t.equal(readFileSync(other, 'utf8'), 'old')
  t.notOk(existsSync(fresh))
})

t.test('a child that dies is started again; its important lines are said', async (t) => {
  const folder = temporaryFolder(t)
  const program = join(folder, 'part.js')
  writeFileSync(
    program,
    `console.log('{"level":30,"msg":"quiet"}')
     console.log('{"level":50,"msg":"loud","why":"because"}')
     setInterval(() => {}, 1000)
     process.on('disconnect', () => process.exit(0))`,
  )
  const said: string[] = []
  const say = (line: string) => said.push(line)
  const log = new LogFile(join(folder, 'part.log'), say)
  const child = new SupervisedProcess({
    name: 'part',
    program,
    args: [],
    environment: process.env,
    log,
    say,
  })
  t.teardown(() => child.kill())
  child.start()
  await until(() => said.includes('part: loud why="because"'))
  const first = child.pid ?? 0
  process.kill(first, 'SIGKILL')
  await until(() => child.pid !== undefined && child.pid !== first)
  t.equal(child.failures, 1)
  t.match(said.join('\n'), /part ended \(SIGKILL\); starting it again in \d+ ms/)
  t.match(child.lastWords, /loud/)
  const second = child.pid ?? 0
  await child.stop(2000)
  t.notOk(isRunning(second))
  log.close()
  const text = readFileSync(join(folder, 'part.log'), 'utf8')
  t.match(text, /quiet/)
  t.notMatch(said.join('\n'), /quiet/)
  rmSync(program)
})

t.test('words for a shell are quoted where they need it', async (t) => {
  t.equal(shellWord('/a/b.c'), '/a/b.c')
  t.equal(shellWord("it's"), `'it'\\''s'`)
  t.equal(shellWord('Host: x'), `'Host: x'`)
})

t.test('a log that was moved away is followed by a new one', async (t) => {
  const path = join(temporaryFolder(t), 'controller.log')
  const log = new LogFile(path, (line) => t.fail(line))
  t.teardown(() => log.close())
  log.write('first')
  renameSync(path, `${path}.old`)
  await until(
    () => {
      log.write('next')
      return existsSync(path)
    },
    { what: 'a new file' },
  )
  t.match(readFileSync(`${path}.old`, 'utf8'), /^first\n(next\n)*$/)
  t.match(readFileSync(path, 'utf8'), /^next\n/)
})
