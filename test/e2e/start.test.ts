/**
 * `sluice start` as a user runs it: what it prints works, and no part that dies takes the traffic
 * with it.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer, request } from 'node:http'
import type { Server } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { freePort } from '../../lab/ports.js'
import { childPids, clientPortsOf, isAlive, memoryOf } from '../../lab/load/processes.js'
import { buildIfStale } from '../../lab/build.js'
import {
  PROGRAM,
  makeHome,
  nginxPid,
  run,
  sluice,
  startSluice,
  Started,
  stopAtEnd,
} from '../../lab/nginx/started.js'
import type { Home } from '../../lab/nginx/started.js'
import { temporaryFolder } from '../../lab/temp.js'
import { until } from '../../lab/until.js'
import { floodDns } from '../support/dns-flood.js'
import { httpCall } from '../support/http-call.js'

// One file starts and stops Sluice about ten times.
t.setTimeout(170_000)

interface Answer {
  status: number
  text: string
}

/** One request on a connection of its own; rejects when there is no answer. */
function ask(port: number, host: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(
      { port, host: '127.0.0.1', headers: { host }, agent: false, timeout: 5000 },
      (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
      },
    )
    call.on('timeout', () => call.destroy(new Error('no answer within 5 s')))
    call.on('error', reject)
    call.end()
  })
}

async function backend(t: Test, text: string): Promise<number> {
  const server: Server = createServer((_, answer) => answer.end(text))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/**
 * Requests without a pause until the returned function is called; it answers what did not go well.
 */
function traffic(home: Home, host: string): () => Promise<{ asked: number; bad: string[] }> {
  let over = false
  let asked = 0
  const bad: string[] = []
  const loop = async () => {
    while (!over) {
      const answer = await ask(home.httpPort, host).catch((error: unknown) => ({
        status: 0,
        text: String(error),
      }))
      asked += 1
      if (answer.status !== 200) {
        bad.push(`${answer.status} ${answer.text}`)
      }
    }
  }
  const done = loop()
  return async () => {
    // A part may be back within milliseconds; until there were enough requests nothing is known of
    // what its death cost.
    await until(() => asked > 10, { what: 'requests' }).finally(() => (over = true))
    await done
    return { asked, bad }
  }
}

/** Real, effective, saved and for files. */
function usersOf(pid: number): number[] {
  const line = /^Uid:(.*)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? ''
  return line.trim().split(/\s+/).map(Number)
}

/** What root writes and gives away lies in no folder that the workers' account may change. */
function closedToWorkers(t: Test, { folder }: Home, worker: number): void {
  const me = process.getuid?.()
  for (const name of ['', 'hop', 'temp', 'logs', 'run', 'sluice', 'fallback']) {
    const { uid, mode } = statSync(join(folder, name))
    t.equal(uid, me, `${name} belongs to who started Sluice`)
    t.equal(mode & 0o022, 0, `${name} is changed by nobody else`)
  }
  t.equal(statSync(join(folder, 'logs')).mode & 0o007, 0, 'logs are not for everybody')
  if (me === 0) {
    const users = usersOf(worker)
    t.notOk(users.includes(0), 'workers are not root')
    t.equal(statSync(join(folder, 'temp/proxy')).uid, users[0], 'they have their folders')
  }
}

await buildIfStale()

t.test('the three commands work as printed; then all of it ends at once', async (t) => {
  const home = await makeHome(t)
  const started = await startSluice(t, home)
  const lines = started.output.split('\n')
  const [register = '', curl = '', drain = ''] = lines.filter((line) => /^ {2}[^ #]/.test(line))
  const backendPort = Number(/listen\((\d+)/.exec(register)?.[1])
  t.teardown(async () => {
    // The backend of the first command is the user's to stop: by its command line, which names its
    // port.
    const { output } = await run(
      `for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -q 'listen(${backendPort},' && echo $p; done`,
    )
    const pids = output.split('\n').map((line) => Number(line.replace('/proc/', '')))
    pids
      .filter((pid) => pid > 1 && pid !== process.pid)
      .forEach((pid) => {
        try {
          process.kill(pid, 'SIGTERM')
        } catch {
          // The grep that looked for it.
        }
      })
  })
  const registered = await run(register)
  t.equal(registered.code, 0, registered.output)
  t.match(registered.output, /applied/)
  const asked = await run(curl)
  t.match(asked.output, /Hello from Sluice/)
  const drained = await run(drain)
  t.match(drained.output, /"state":\s*"draining"|drained/)
  t.equal((await ask(home.httpPort, 'hello.localhost')).status, 503)

  const pids = [
    started.pid,
    nginxPid(home),
    ...childPids(nginxPid(home)),
    ...childPids(started.pid),
  ]
  started.kill('SIGTERM')
  t.equal(await started.whenEnded(), 0)
  t.same(pids.filter(isAlive), [], 'nothing is left')
  t.notOk(existsSync(join(home.folder, 'run/nginx.pid')))
})

/** At the port of the pool's DNS. */
const MOST_CONNECTIONS = 64

/** Whether nothing is wrong but that the engine is away, which this home names and has not. */
async function onlyLacksEngine({ folder }: Home): Promise<boolean> {
  const { output } = await run(`${process.execPath} ${PROGRAM} status --json --home ${folder}`)
  const { ready, findings } = JSON.parse(output) as { ready: boolean; findings: { code: string }[] }
  if (!ready || findings.some(({ code }) => code !== 'engine_away')) {
    throw new Error(output)
  }
  return true
}

t.test('the death of a part is not the death of the traffic', async (t) => {
  // An engine that is not there: the agent waits for it.
  const engine = `unix://${temporaryFolder(t, 'engine')}/docker.sock`
  const home = await makeHome(t, { SLUICE_DOCKER: engine })
  const port = await backend(t, 'web')
  let started = await startSluice(t, home)
  await sluice(home, 'register', 'web', 'one', `127.0.0.1:${port}`)
  await until(async () => (await ask(home.httpPort, 'web.localhost')).text === 'web')
  const workers = childPids(nginxPid(home)).sort()
  const master = nginxPid(home)
  closedToWorkers(t, home, Number(workers[0]))

  await t.test("a flood at the port of the pool's DNS holds nobody up", async (t) => {
    const socket = join(home.folder, 'api.sock')
    const call = (method: string, path: string, body?: unknown) =>
      httpCall(`http://api/v1/${path}`, { method, body, socket })
    // So many that an answer has some 40 KB.
    const operations = Array.from({ length: 900 }, (_, i) => ({
      ...{ method: 'PUT', path: `/v1/upstreams/many/instances/${i}` },
      body: { host: '127.0.0.9', port: 10_000 + i },
    }))
    t.match(await call('POST', 'batch', { operations }), { status: 200, body: { applied: true } })
    const pid = started.partPid('controller')
    const before = memoryOf(pid).rssBytes
    const poolPort = Number(readFileSync(join(home.folder, 'pool-port'), 'utf8'))
    const flood = floodDns(t, poolPort, 2 * MOST_CONNECTIONS, '_http._tcp.p0.pool.sluice')
    await until(() => flood.answeredBytes() > 10_000_000, { what: 'the flood to be served' })
    const waitedBytes: number[] = []
    for (let i = 0; i < 20; i++) {
      const answered = flood.answeredBytes()
      t.equal((await call('GET', 'status')).status, 200)
      waitedBytes.push(flood.answeredBytes() - answered)
      await until(() => flood.answeredBytes() > answered, { what: 'the flood to go on' })
    }
    const medianMb = (waitedBytes.sort((a, b) => a - b)[10] ?? Infinity) / 1e6
    t.ok(medianMb < 15, `${medianMb.toFixed(1)} MB of answers come before that of a call`)
    const held = clientPortsOf(pid, poolPort).length
    t.ok(held <= MOST_CONNECTIONS, `${held} connections`)
    const grownMb = (memoryOf(pid).rssBytes - before) / 1024 / 1024
    t.ok(grownMb < 200, `${grownMb.toFixed()} MB more`)
    t.equal((await ask(home.httpPort, 'web.localhost')).text, 'web')
    flood.stop()
    t.equal((await call('DELETE', 'upstreams/many?force=true')).status, 200)
  })

  await t.test('kill -9 of the controller', async (t) => {
    const stop = traffic(home, 'web.localhost')
    const before = started.partPid('controller')
    process.kill(before, 'SIGKILL')
    await until(() => started.partPid('controller') > 0 && started.partPid('controller') !== before)
    await until(() => onlyLacksEngine(home), { what: 'all well again', deadlineMs: 20_000 })
    const { asked, bad } = await stop()
    t.same(bad, [])
    t.ok(asked > 10)
    t.same(childPids(master).sort(), workers)
  })

  await t.test('kill -9 of the agent', async (t) => {
    const stop = traffic(home, 'web.localhost')
    const before = started.partPid('agent')
    t.ok(before > 0)
    process.kill(before, 'SIGKILL')
    await until(() => started.partPid('agent') > 0 && started.partPid('agent') !== before)
    const { asked, bad } = await stop()
    t.same(bad, [])
    t.ok(asked > 10)
    t.same(childPids(master).sort(), workers)
  })

  await t.test('kill -9 of the supervisor', async (t) => {
    const stop = traffic(home, 'web.localhost')
    const parts = ['controller', 'agent'].map((name) => started.partPid(name))
    started.kill('SIGKILL')
    await started.whenEnded()
    await until(() => !parts.some(isAlive), { what: 'the end of controller and agent' })
    started = await startSluice(t, home)
    const { asked, bad } = await stop()
    t.match(started.output, /taken over as it is/)
    t.same(bad, [])
    t.ok(asked > 10)
    t.equal(nginxPid(home), master)
    t.same(childPids(master).sort(), workers)

    await t.test('another build takes over, and no request is lost', async (t) => {
      const stop = traffic(home, 'web.localhost')
      const build = join(home.folder, 'run/nginx.build')
      const [path] = JSON.parse(readFileSync(build, 'utf8')) as string[]
      writeFileSync(build, JSON.stringify([path, 'another']))
      process.kill(started.pid, 'SIGUSR2')
      await until(() => /another build: replaced/.test(started.output), {
        deadlineMs: 40_000,
      })
      await until(() => !workers.some(isAlive), { what: 'the end of the workers before' })
      await until(() => onlyLacksEngine(home), { what: 'all well again', deadlineMs: 20_000 })
      const { asked, bad } = await stop()
      t.same(bad, [])
      t.ok(asked > 10)
      t.not(nginxPid(home), master)
      t.notMatch(started.output, /nginx has died/)
    })

    await t.test('after a kill -9 of all of nginx a new one serves the same', async (t) => {
      const master = nginxPid(home)
      const workers = childPids(master)
      for (const pid of [master, ...workers]) {
        process.kill(pid, 'SIGKILL')
      }
      await until(async () => (await ask(home.httpPort, 'web.localhost')).text === 'web', {
        deadlineMs: 20_000,
      })
      t.not(nginxPid(home), master)
      await until(() => onlyLacksEngine(home), { what: 'all well again', deadlineMs: 20_000 })
    })

    await t.test('kill -9 of the master alone: its workers make room', async (t) => {
      const stop = traffic(home, 'web.localhost')
      const before = nginxPid(home)
      const left = childPids(before)
      process.kill(before, 'SIGKILL')
      await until(
        () => existsSync(join(home.folder, 'run/nginx.pid')) && nginxPid(home) !== before,
        { deadlineMs: 20_000 },
      )
      await until(() => !left.some(isAlive), { deadlineMs: 20_000 })
      t.equal((await ask(home.httpPort, 'web.localhost')).text, 'web')
      await stop()
    })
  })
})

t.test('a second start in the same home harms nothing, nor a full disk behind it', async (t) => {
  const home = await makeHome(t)
  // What it would print is lost.
  const first = new Started(home.environment, '/dev/full')
  stopAtEnd(t, home, () => first)
  const isReady = () =>
    sluice(home, 'status')
      .then((text) => /ready/.test(text))
      .catch(() => false)
  await until(isReady, { deadlineMs: 40_000, what: 'sluice start' })
  t.match(first.output, /^sluice: the output cannot be written: [^\n]*ENOSPC[^\n]*\n$/)
  const second = new Started(home.environment)
  t.equal(await second.whenEnded(), 1)
  t.match(second.output, new RegExp(`already running in this home.*pid ${first.pid}`))
  t.match(await sluice(home, 'status'), /ready/)
})

t.test('a port in use is named before anything is started', async (t) => {
  const home = await makeHome(t)
  const port = await backend(t, 'somebody else')
  for (const [variable, flag] of [
    ['SLUICE_HTTP_PORT', '--http-port'],
    ['SLUICE_API_PORT', '--api-port'],
  ] as const) {
    const started = new Started({ ...home.environment, [variable]: String(port) })
    t.equal(await started.whenEnded(), 1)
    t.match(started.output, new RegExp(`port ${port} .*in use.*${flag} or ${variable}`))
    t.notOk(existsSync(join(home.folder, 'run/nginx.pid')))
  }
  t.equal((await ask(port, 'x')).text, 'somebody else')
})

const NOBODY = 65_534

t.test('workers are root only where that is asked for', async (t) => {
  if (process.getuid?.() !== 0) {
    t.pass('only root can make others of them')
    return
  }
  const home = await makeHome(t)
  chmodSync(home.folder, 0o700)
  const refused = new Started(home.environment)
  t.equal(await refused.whenEnded(), 1)
  t.match(refused.output, new RegExp(`who may not enter ${home.folder}: .*--user root`))
  t.notOk(existsSync(join(home.folder, 'run/nginx.pid')))
  const unknown = new Started({ ...home.environment, SLUICE_USER: 'no-such-account' })
  t.equal(await unknown.whenEnded(), 1)
  t.match(unknown.output, /no user no-such-account/)
  chownSync(home.folder, NOBODY, NOBODY)
  const asRoot = { ...home, environment: { ...home.environment, SLUICE_USER: 'root' } }
  const { output } = await startSluice(t, asRoot)
  t.match(output, `${home.folder} may be changed by other accounts`)
  t.match(await sluice(home, 'status'), /ready/)
  t.same(childPids(nginxPid(home)).map(usersOf), [Array(4).fill(0), Array(4).fill(0)])
})

t.test(
  "a port for routes that is the pool's is named, though only the home knows it",
  async (t) => {
    const home = await makeHome(t)
    const port = await freePort()
    writeFileSync(join(home.folder, 'pool-port'), `${port}\n`)
    const started = new Started({ ...home.environment, SLUICE_STREAM_PORTS: String(port) })
    t.equal(await started.whenEnded(), 1)
    t.match(
      started.output,
      `streamPorts has ports that Sluice itself listens at: ${port} (poolPort)`,
    )
    t.notOk(existsSync(join(home.folder, 'run/nginx.pid')))
  },
)

t.test('a changed setting is said and applied by one reload', async (t) => {
  const home = await makeHome(t)
  const first = await startSluice(t, home)
  const master = nginxPid(home)
  first.kill('SIGKILL')
  await first.whenEnded()
  const again = { ...home, httpPort: await freePort() }
  again.environment = { ...home.environment, SLUICE_HTTP_PORT: String(again.httpPort) }
  const second = await startSluice(t, again)
  t.match(second.output, /its configuration has changed: reloaded/)
  await t.rejects(sluice(again, 'compile'), { message: /exit code 1: .*compiles nothing/ })
  t.equal(nginxPid(home), master)
  await until(async () => (await ask(again.httpPort, 'web.localhost')).status === 404)
})

t.test('nginx takes lanes when it is asked to, and starts without those it refuses', async (t) => {
  const home = await makeHome(t, { SLUICE_COMPILED: 'auto' })
  const started = await startSluice(t, home)
  const master = nginxPid(home)
  const address = `127.0.0.1:${await backend(t, 'web')}`
  await sluice(home, 'register', 'web', 'one', address)
  await sluice(home, 'register', 'hashed', 'one', address)
  await sluice(home, 'policy', 'hashed', 'balance=hash', 'hash.key=uri')
  const gates = () => readdirSync(join(home.folder, 'gates'))
  const isWeb = async () => (await ask(home.httpPort, 'web.localhost')).text === 'web'

  await t.test('before nginx is asked to', async (t) => {
    const shown = await sluice(home, 'upstreams', 'web')
    t.match(shown, /^served: by the table since .*: nginx was started before it came/m)
    t.same(gates(), [])
    const build = join(home.folder, 'run/nginx.build')
    renameSync(build, `${build}.away`)
    await t.rejects(sluice(home, 'compile'), { message: /exit code 1: .*nginx -s reload/ })
    renameSync(`${build}.away`, build)
  })

  await t.test('sluice compile reloads it once', async (t) => {
    const stop = traffic(home, 'web.localhost')
    const printed = await sluice(home, 'compile')
    t.match(printed, `nginx (pid ${master}) is reloaded; lanes: 1, gates: 1`)
    t.match(printed, /by nginx alone: 1, by the table for now: 0, by the table: 1\n/)
    t.match(printed, '  1 by the table: balance hash')
    t.same((await stop()).bad, [])
    await until(() => gates().length === 2, { what: 'gates of its host, and of its name' })
    t.equal(nginxPid(home), master)
    t.ok(await isWeb())
    const again = JSON.parse(await sluice(home, 'compile', '--json')) as object
    t.match(again, { lanes: 1, gates: 1, open: 1, closed: 0, none: 1 })
  })

  await t.test('it is shown', async (t) => {
    const isAlone = async () => /^served: by nginx alone since 20/m.test(await shown())
    const shown = () => sluice(home, 'upstreams', 'web')
    await until(isAlone, { deadlineMs: 20_000, what: 'nginx alone' })
    t.match(await sluice(home, 'status'), 'upstreams served by nginx alone: 1')
    t.match(await sluice(home, 'explain', 'http://web.localhost/a'), '- nginx alone serves it')
    const hashed = await sluice(home, 'explain', 'http://hashed.localhost/a')
    t.match(hashed, '- the table serves it: balance hash')
    const metrics = await run(`curl -s http://127.0.0.1:${home.apiPort}/metrics`)
    t.match(metrics.output, /^sluice_lanes\{state="open"\} 1$/m)
  })

  await t.test('an nginx that refuses its lanes starts without them', async (t) => {
    const pids = [master, ...childPids(master)]
    // So that it can neither close the gates nor write others.
    const controller = started.partPid('controller')
    process.kill(controller, 'SIGSTOP')
    t.teardown(() => isAlive(controller) && process.kill(controller, 'SIGCONT'))
    const written = join(home.folder, 'compiled/now/http.conf')
    writeFileSync(written, 'no_such_directive;\n')
    pids.forEach((pid) => process.kill(pid, 'SIGKILL'))
    await until(() => started.output.includes('nginx runs again'), { deadlineMs: 20_000 })
    t.match(started.output, /no_such_directive.*without the lanes of .* they are put aside/)
    t.same(gates(), [], 'those of the nginx before are closed')
    process.kill(controller, 'SIGCONT')
    await until(isWeb, { deadlineMs: 20_000 })
    await until(() => gates().length === 0, { what: 'the controller to see that nginx is another' })
    await until(() => existsSync(written) && readFileSync(written, 'utf8').includes('upstream '), {
      what: 'what the controller writes in the place of what was put aside',
    })
    await sluice(home, 'compile')
    await until(() => gates().length === 2, { what: 'gates of its host, and of its name' })
  })
})
