// What `sluice conf` prints, in an nginx.conf that was there before: all of Sluice beside an nginx
// that somebody else starts.
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { tempPathLines } from '../../../contract/temp-paths.js'
import { homePaths } from '../../../nginx/render.js'
import { ask } from '../../../lab/ask.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import { GrpcClient, startGrpcBackend } from '../../../lab/backends/grpc.js'
import { httpCall } from '../../support/http-call.js'
import { ask3, valuesOf } from '../../support/http3.js'
import { freePort } from '../../../lab/ports.js'
import { childPids } from '../../../lab/load/processes.js'
import { buildIfStale } from '../../../lab/build.js'
import { PROGRAM, run } from '../../../lab/nginx/started.js'
import { startTcp, startTls } from '../../../lab/backends/stream-backend.js'
import { greeted } from '../../../lab/stream-client.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { shake } from '../../../lab/tls-client.js'
import { tools } from '../../../lab/tools.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const authority = await makeAuthority(temporaryFolder(t, 'ca'))
const ca = authority.path

const isRoot = process.getuid?.() === 0
const user = isRoot ? 'nobody' : userInfo().username
const LOGGED = 'access_log own.log own;'

const MAIN = `${isRoot ? 'user nobody nogroup;' : ''} worker_processes 2; pid nginx.pid; error_log error.log; events {}`

/** A log format of the user's, with what Sluice knows of a request. */
const LOG = `log_format own '$uri "$sluice_log_address" "$sluice_log_status"';`

/** The user's own part of `http{}`; `more` is what he adds to his server. */
const http = (port: number, more: string): string => `
  ${tempPathLines('.').join(' ')} access_log off;
  server {
    listen 127.0.0.1:${port};
    location / { return 200 "as it was"; }
    ${more}
  }`

function spawned(t: Test, program: string, args: string[]): number {
  const child = spawn(program, args, { stdio: 'ignore' })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) {
      return
    }
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
  })
  return child.pid ?? 0
}

async function started(t: Test, nginx: string, flags: string[]) {
  await buildIfStale()
  const home = temporaryFolder(t, 'own')
  chmodSync(home, 0o711)
  const [port, httpPort, httpsPort] = [await freePort(), await freePort(), await freePort()]
  const [apiPort, tcpPort] = [await freePort(), await freePort()]
  const file = join(home, 'own.conf')
  const errorLog = () => readFileSync(join(home, 'error.log'), 'utf8')
  t.teardown(() => {
    if (!t.passing() && existsSync(join(home, 'error.log'))) {
      t.comment(errorLog())
    }
  })
  const succeed = async (line: string): Promise<string> => {
    const { code, output } = await run(line)
    if (code !== 0) {
      throw new Error(`${line}: ${output}`)
    }
    return output
  }

  const args = ['-p', home, '-e', 'error.log', '-c', file]
  writeFileSync(file, `${MAIN} http {${http(port, '')}}`)
  const master = spawned(t, nginx, [...args, '-g', 'daemon off;'])
  await until(async () => (await ask({ port })).body === 'as it was', { what: 'nginx as it was' })

  const ports = `--https-port ${httpsPort} --api-port ${apiPort} --stream-ports ${tcpPort}`
  const where = `--home ${home} --nginx ${nginx} --user ${user}`
  const conf = `${process.execPath} ${PROGRAM} conf ${where} ${ports} ${flags.join(' ')}`
  const printed = await succeed(conf)
  const [, location = ''] = /location of yours:\n(.*?again\.conf";\n)/s.exec(printed) ?? []
  // The ports that it is given for the world are others here.
  const lines = printed
    .replace('listen 80;', `listen 127.0.0.1:${httpPort};`)
    .replace('listen 443 ssl;', `listen 127.0.0.1:${httpsPort} ssl;`)
    .replaceAll('# access_log', 'access_log')
    .replace('\nstream {', `\n${MAIN}\nstream {`)
    .replace('\nhttp {', `\nhttp {${LOG}${http(port, location.replaceAll('# ', '') + LOGGED)}`)
    .replace(' access_log off;', '')
  writeFileSync(file, lines)
  await succeed(`${nginx} -t ${args.join(' ')}`)
  const before = childPids(master)
  process.kill(master, 'SIGHUP')
  await until(
    () => childPids(master).length === 2 && !childPids(master).some((pid) => before.includes(pid)),
    { what: 'the only reload' },
  )

  const [, controller = ''] = /sluice (controller .*)/.exec(printed) ?? []
  spawned(t, 'sh', ['-c', `exec ${process.execPath} ${PROGRAM} ${controller}`])
  const socket = join(home, 'api.sock')
  const call = (method: string, path: string, body?: unknown) =>
    httpCall(`http://api${path}`, { method, body, socket })
  // At the port that conf was given: the controller learns it from what conf prints.
  const isReady = async () => (await httpCall(`http://127.0.0.1:${apiPort}/readyz`)).status === 200
  await until(isReady, { what: 'the controller' })
  const put = async (path: string, body: unknown): Promise<string> => {
    const answer = await call('PUT', `/v1/${path}`, body)
    t.match(answer, { status: /20[01]/, body: { applied: true } }, path)
    return answer.body.fingerprint as string
  }
  const slotOf = async (host: string) => {
    const asked = { method: 'POST', body: { keys: [`@${host}/0`] } }
    const { adminSocket } = homePaths(home)
    const { body } = await httpCall('http://admin/read', { ...asked, socket: adminSocket })
    return (body as { values: string[] }).values[0]
  }
  const standing = () => [...childPids(master), readFileSync(file, 'utf8')]
  const logged = () => readFileSync(join(home, 'own.log'), 'utf8')
  const line = (uri: string) =>
    readFileSync(join(home, 'logs/access.log'), 'utf8')
      .split('\n')
      .find((each) => each.includes(`"uri":"${uri}"`))
  return { port, httpPort, httpsPort, tcpPort, put, call, errorLog, logged, line, slotOf, standing }
}

const [HOST, VAULT, ECHO] = ['app.test', 'vault.app.test', 'echo.app.test']

for (const kind of ['nginx', 'nginxStable'] as const) {
  for (const flags of [[], ['--passthrough'], ['--http3'], ['--passthrough', '--http3']]) {
    t.test([kind, ...flags].join(' '), async (t) => {
      const own = await started(t, (await tools())[kind].path, flags)
      const { port, httpPort, httpsPort, put } = own
      const before = own.standing()
      const [a, b] = [await startBackend(t, 'a'), await startBackend(t, 'b')]
      const place = ({ host, port }: { host: string; port: number }) => ({ host, port })

      t.match(await ask({ port, path: '/shop/' }), { status: 503, body: /shop/ })
      await put('upstreams/shop/instances/a', place(a))
      t.match(await ask({ port, path: '/shop/x' }), { json: { id: 'a', url: '/shop/x' } })
      await until(() => own.logged().includes(`/shop/x "${a.address}" "200"\n`), { what: 'a line' })
      t.equal((await ask({ port })).body, 'as it was')

      t.equal((await ask({ port: httpPort, host: HOST })).status, 404)
      await put('routes/app', { hosts: [HOST], upstream: 'shop' })
      t.match(await ask({ port: httpPort, host: HOST, path: '/logged' }), { json: { id: 'a' } })
      const line = await until(() => own.line('/logged'), { what: 'a line of the printed format' })
      t.match(JSON.parse(line), { host: HOST, upstream: 'shop', instance: 'a', status: 200 })
      // The front of an nginx that has a pool takes the names from the slots.
      const slot = kind === 'nginx' ? /^[0-9a-f]{32}=shop=a$/ : /^[0-9a-f]{32}$/
      t.match(await own.slotOf(HOST), slot)
      await put('upstreams/next/instances/b', place(b))
      await put('routes/app', { hosts: [HOST], upstream: 'next' })
      t.match(await ask({ port: httpPort, host: HOST }), { json: { id: 'b' } })

      const fingerprint = await put('certificates/app', await authority.issue([HOST, `*.${HOST}`]))
      const secure = { port: httpsPort, name: HOST, ca }
      const answer = await ask3({ ...secure, version: '2' })
      t.match(answer, { code: 0, version: '2', status: 200, fingerprint, body: /"id":"b"/ })
      const http3 = flags.includes('--http3')
      t.same(valuesOf(answer, 'alt-svc'), http3 ? [`h3=":${httpsPort}"; ma=86400`] : [])
      if (http3) {
        const over = await ask3({ ...secure, version: '3' })
        t.match(over, { code: 0, version: '3', status: 200, fingerprint, body: /"id":"b"/ })
      }

      await put('upstreams/echo', { protocol: 'grpc' })
      await put('upstreams/echo/instances/e', place(await startGrpcBackend(t, 'e')))
      await put('routes/echo', { hosts: [ECHO], upstream: 'echo' })
      const said = await new GrpcClient(t, httpsPort, ECHO).call('Chat', ['hello'])
      t.match(said, { code: 0, texts: ['hello'], end: 'e' })

      await put('upstreams/db/instances/d', place(await startTcp(t, 'd')))
      await put('routes/db', { port: own.tcpPort, protocol: 'tcp', upstream: 'db' })
      t.same(await greeted(own.tcpPort, 1), { d: 1 })

      const shown = async () => (await shake(httpsPort, { name: VAULT })).fingerprint
      t.equal(await shown(), fingerprint)
      const vault = await startTls(t, 'v', await authority.issue([VAULT]))
      await put('upstreams/vault/instances/v', place(vault))
      const route = { sni: [VAULT], upstream: 'vault' }
      if (flags.includes('--passthrough')) {
        await put('routes/vault', route)
        t.not(await shown(), fingerprint, 'passed through')
      } else {
        t.match(await own.call('PUT', '/v1/routes/vault', route), {
          status: 409,
          body: { detail: /passthrough/ },
        })
      }
      t.same(own.standing(), before, 'by the same workers and nginx.conf')
      t.notMatch(own.logged(), /unix:|\.sock/, 'its log names instances alone')
      t.notMatch(own.errorLog(), /\[(emerg|alert|crit)\]|exception/)
    })
  }
}

t.test('sluice check names what does not go together, with its line', async (t) => {
  await buildIfStale()
  const home = temporaryFolder(t, 'clash')
  const { path: nginx } = (await tools()).nginx
  const sluice = (line: string) =>
    run(`${process.execPath} ${PROGRAM} ${line} --home ${home} --nginx ${nginx}`)
  const { output: printed } = await sluice(`conf --user ${user}`)
  const modules = printed.split('\n').filter((line) => line.startsWith('load_module'))
  writeFileSync(join(home, 'proxy_params'), 'proxy_set_header Host $http_host;\n')
  const write = (location: string, more = '', connections = 8192) =>
    writeFileSync(
      join(home, 'own.conf'),
      `${modules.join('\n')}
pid ${home}/x.pid; error_log stderr; events { worker_connections ${connections}; }
http {
${tempPathLines(home).join(' ')}
access_log off; include sluice/http.conf; ${more}
server {
listen 127.0.0.1:19080;
error_page 502 503 504 /50x.html;
location / { return 200 "{ # \\" ;"; }
location /shop/ {
${location}
set $sluice_upstream shop;
include sluice/proxy.conf;
error_page 502 = $sluice_after;
}
include sluice/again.conf;
}
server { listen 127.0.0.1:19081; include sluice/server.conf; }
}
`,
    )
  const at = modules.length + 7
  write('include proxy_params;', 'server { http2 on; include sluice/grpc.conf; }', 768)
  const clashing = await sluice(`check --conf ${home}/own.conf`)
  t.equal(clashing.code, 1, clashing.output)
  t.match(
    clashing.output,
    `${home}/proxy_params:1: "proxy_set_header Host" is set by Sluice's files, too`,
  )
  t.match(clashing.output, `${home}/own.conf:${at}: "error_page 502 503 504 /50x.html" does not`)
  const few = `own.conf:${modules.length + 1}: "worker_connections 768", but`
  t.match(clashing.output, `${few} Sluice's files are made for 8192`)
  const pages = 'error_page 503 504 /50x.html;'
  // No kind of traffic that has a share is there.
  write(pages, '', 768)
  const well = await sluice(`check --conf ${home}/own.conf`)
  t.equal(well.code, 0, well.output)
  t.match(well.output, /nothing clashes with Sluice's files/)
  write(`${pages} proxy_http_version 1.1; proxy_pass_trailers on;`)
  t.equal((await sluice(`check --conf ${home}/own.conf`)).code, 0, 'what holds is not named')
  write('proxy_ssl_verify on;', 'proxy_buffering on; proxy_set_header X-Mine 1; proxy_bind off;')
  const unheld = await sluice(`check --conf ${home}/own.conf`)
  t.equal(unheld.code, 1)
  t.match(unheld.output, `${home}/own.conf:${at + 3}: "proxy_ssl_verify on" does not hold where`)
  t.match(unheld.output, 'give the upstream `tls`')
  t.match(unheld.output, /own\.conf:\d+: "proxy_bind off" does not hold where/)
  t.match(unheld.output, /"proxy_buffering on" is not inherited in \S+\/server.conf: let a route/)
  t.match(unheld.output, /"proxy_set_header X-Mine 1" is not inherited in \S+own\.conf:\d+: repeat/)
  write('no_such_directive;')
  t.match(await sluice(`check --conf ${home}/own.conf`), { code: 1, output: /no_such_directive/ })
})
