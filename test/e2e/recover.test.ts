/** What is damaged, started twice or signalled by mistake takes nothing from clients. */
import { copyFileSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startBackend } from '../../lab/backends/backend.js'
import { ask } from '../../lab/ask.js'
import {
  PROGRAM,
  Started,
  makeHome,
  nginxPid,
  run,
  sluice,
  startSluice,
  stopAtEnd,
} from '../../lab/nginx/started.js'
import { holdsAny, tcpInodes } from '../../cli/start/proc.js'
import { until } from '../../lab/until.js'

t.setTimeout(170_000)

const INSPECTOR_PORT = 9229

t.test('a home goes on serving, whatever is damaged, doubled or signalled in it', async (t) => {
  const home = await makeHome(t, {
    SLUICE_API_TOKEN: 'a-token-of-the-environment',
    NGINX: '9;',
    SLUICE_DOMAIN: 'localhost,b.example',
  })
  const { port } = await startBackend(t, 'web')
  let current = await startSluice(t, home)
  const asks = async (): Promise<unknown> => {
    const hosts = ['web.localhost', 'web.b.example']
    const answers = await Promise.all(hosts.map((host) => ask({ port: home.httpPort, host })))
    const [first, ...others] = answers.map(({ status, json }) =>
      status === 200 ? (json as { id: string }).id : status,
    )
    return others.every((other) => other === first) ? first : 'not the same'
  }
  await sluice(home, 'register', 'web', '1', `127.0.0.1:${port}`)
  const file = join(home.folder, 'fallback', 'sluice-upstreams.conf')
  await until(() => existsSync(file) && readFileSync(file, 'utf8').includes(`:${port}`), {
    deadlineMs: 20_000,
    what: 'the fallback',
  })

  await t.test('nginx has a clean environment', async (t) => {
    const environment = readFileSync(`/proc/${nginxPid(home)}/environ`, 'utf8')
    t.notMatch(environment, /a-token|SLUICE_|(^|\0)NGINX=/)
  })

  await t.test('a second controller is refused before it touches anything', async (t) => {
    const line = [process.execPath, PROGRAM, 'controller', '--home', home.folder, '--docker=off']
    const { code, output } = await run(line.join(' '))
    t.equal(code, 1)
    t.match(output, new RegExp(`controller is already running.*${home.folder} .pid ${current.pid}`))
    const drained = await sluice(home, 'drain', 'web/1', '--wait', '5s')
    t.match(drained, /is drained/, 'the first one still has its gateway')
    t.equal(await asks(), 503)
    await sluice(home, 'undrain', 'web/1')
    await until(async () => (await asks()) === 'web')
  })

  await t.test('signals of other daemons harm nothing', async (t) => {
    const pids = [current.pid, current.partPid('controller')]
    for (const pid of pids) {
      process.kill(pid, 'SIGUSR1')
      process.kill(pid, 'SIGHUP')
    }
    t.match(await sluice(home, 'status'), /ready/)
    t.same([current.pid, current.partPid('controller')], pids)
    const inspected = pids.filter((pid) => holdsAny(pid, tcpInodes(INSPECTOR_PORT)) !== false)
    t.same(inspected, [], 'no inspector is open')
  })

  await t.test('nginx starts though store and fallback are damaged', async (t) => {
    current.kill('SIGTERM')
    t.equal(await current.whenEnded(), 0)
    const store = join(home.folder, 'registry', 'CURRENT')
    const good = readFileSync(store)
    writeFileSync(store, 'nonsense')
    copyFileSync(file, `${file}.previous`)
    writeFileSync(file, readFileSync(file, 'utf8').replace('server {', 'server { nonsense'))
    current = await startSluice(t, home)
    t.equal(await asks(), 'web', 'by the generation before')
    t.match(current.output, /fallback file .* is damaged; the one before takes its place/)
    t.match(current.output, /controller does not start[^]*registry[^]*nginx serves what it knew/)
    t.equal(readFileSync(store, 'utf8'), 'nonsense', 'left as it is')
    writeFileSync(store, good)
    await until(() => sluice(home, 'status').catch(() => ''), {
      deadlineMs: 30_000,
      what: 'status',
    })
    t.equal(await asks(), 'web')
  })
})

t.test('what is corrupt is named and left as it is', async (t) => {
  const home = await makeHome(t)
  const first = await startSluice(t, home)
  first.kill('SIGTERM')
  await first.whenEnded()

  const current = join(home.folder, 'registry', 'CURRENT')
  const good = readFileSync(current)
  writeFileSync(current, 'nonsense')
  for (const file of readdirSync(join(home.folder, 'fallback'))) {
    rmSync(join(home.folder, 'fallback', file))
  }
  const second = new Started(home.environment)
  stopAtEnd(t, home, () => second)
  t.equal(await second.whenEnded(), 1, 'nothing could be served')
  t.match(second.output, /registry/)
  t.equal(readFileSync(current, 'utf8'), 'nonsense')
  writeFileSync(current, good)

  writeFileSync(join(home.folder, 'gateway-id'), 'Not A Name')
  const third = new Started(home.environment)
  stopAtEnd(t, home, () => third)
  t.equal(await third.whenEnded(), 1)
  t.match(third.output, /gateway-id holds no gateway id/)
  rmSync(join(home.folder, 'gateway-id'))
})
