/**
 * A new user's first day with routes: each of them one REST call, there with the next request or
 * connection, and nginx is as it was.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import t from 'tap'
import { ask } from '../../lab/ask.js'
import { startBackend } from '../../lab/backends/backend.js'
import { makeAuthority } from '../../lab/engines/certificates.js'
import { httpCall } from '../support/http-call.js'
import { childPids } from '../../lab/load/processes.js'
import { buildIfStale } from '../../lab/build.js'
import { makeHome, nginxPid, startSluice } from '../../lab/nginx/started.js'
import type { Home } from '../../lab/nginx/started.js'
import { startTcp, startTls } from '../../lab/backends/stream-backend.js'
import { greeted, openTls } from '../../lab/stream-client.js'
import { temporaryFolder } from '../../lab/temp.js'

t.setTimeout(170_000)

/** Connections until it is sure that each of the two workers had some. */
const OFTEN = 20

/** What a reload or a restart would change. */
function standing(home: Home): { workers: number[]; files: Record<string, string> } {
  const below = readdirSync(join(home.folder, 'sluice'), { recursive: true, withFileTypes: true })
  const included = below
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
  const paths = [join(home.folder, 'nginx.conf'), ...included.sort()]
  const files = paths.map((path) => [path, readFileSync(path, 'latin1')])
  const master = nginxPid(home)
  return { workers: [master, ...childPids(master).sort()], files: Object.fromEntries(files) }
}

/** Which backend's answer this is; all of it, if it is none's. */
const idIn = (body: string): string => /"id":"(\w+)"/.exec(body)?.[1] ?? body

/**
 * The name of the backend that answers over TLS with a certificate that `ca` vouches for; the
 * reason where none does.
 */
function askTls(port: number, host: string, ca: string): Promise<string> {
  return new Promise((resolve) => {
    const to = { host: '127.0.0.1', port, servername: host, headers: { host }, ca, agent: false }
    request(to, (answer) => {
      answer.setEncoding('utf8')
      let text = ''
      answer.on('data', (chunk: string) => (text += chunk)).on('end', () => resolve(idIn(text)))
    })
      .on('error', (error) => resolve(error.message))
      .end()
  })
}

await buildIfStale()

t.test('each is one call', async (t) => {
  const home = await makeHome(t)
  await startSluice(t, home)
  const authority = await makeAuthority(temporaryFolder(t, 'ca'))
  const authorization = `Bearer ${readFileSync(join(home.folder, 'api-token'), 'utf8').trim()}`
  const call = async (method: string, path: string, body: unknown): Promise<void> => {
    const options = { method, body, headers: { authorization } }
    const answer = await httpCall(`http://127.0.0.1:${home.apiPort}/v1/${path}`, options)
    t.match(answer, { status: /20[01]/, body: { applied: true } }, `${method} ${path}`)
  }
  const register = (upstream: string, id: string, port: number) =>
    call('PUT', `upstreams/${upstream}/instances/${id}`, { host: '127.0.0.1', port })

  for (const name of ['old', 'new']) {
    await register(name, name, (await startBackend(t, name)).port)
  }
  await register('db', 'db', (await startTcp(t, 'db')).port)
  const own = await authority.issue(['vault.example.com'])
  await register('vault', 'vault', (await startTls(t, 'vault', own)).port)
  const before = standing(home)
  t.ok(before.workers.length > 2 && Object.keys(before.files).length > 5)

  const tally = async (n: number, who: () => Promise<string>): Promise<Record<string, number>> => {
    const counts: Record<string, number> = {}
    for (let i = 0; i < n; i++) {
      const name = await who()
      counts[name] = (counts[name] ?? 0) + 1
    }
    return counts
  }
  const plain = async (path: string) =>
    idIn((await ask({ port: home.httpPort, host: 'app.example.com', path })).body)

  await t.test('a new host with its certificate', async (t) => {
    const body = await authority.issue(['app.example.com'])
    const route = { hosts: ['app.example.com'], upstream: 'old' }
    const operations = [
      { method: 'PUT', path: '/v1/certificates/app', body },
      { method: 'PUT', path: '/v1/routes/app', body: route },
    ]
    await call('POST', 'batch', { operations })
    const secure = () => askTls(home.httpsPort, 'app.example.com', authority.pem)
    t.same(await tally(OFTEN, secure), { old: OFTEN })
    t.same(await tally(OFTEN, () => plain('/')), { old: OFTEN })
  })

  await t.test('a path that is split 90/10', async (t) => {
    const split = [
      { upstream: 'old', weight: 90 },
      { upstream: 'new', weight: 10 },
    ]
    await call('PUT', 'routes/shop', { hosts: ['app.example.com'], pathPrefix: '/shop', split })
    const counts = await tally(500, () => plain('/shop/cart'))
    t.same(Object.keys(counts).sort(), ['new', 'old'])
    // A fair draw is outside of these less than once in a hundred million runs.
    const few = counts.new ?? 0
    t.ok(few > 12 && few < 95, `${few} of 500`)
    t.same(await tally(OFTEN, () => plain('/')), { old: OFTEN }, 'other paths are as before')
  })

  await t.test('a TCP port that a route is put for leads to its upstream', async (t) => {
    t.same(await greeted(home.streamPort, 1), { '': 1 }, 'nobody has it yet')
    await call('PUT', 'routes/db', { port: home.streamPort, protocol: 'tcp', upstream: 'db' })
    t.same(await greeted(home.streamPort, OFTEN), { db: OFTEN })
  })

  await t.test('a name whose TLS is passed through', async (t) => {
    await call('PUT', 'routes/vault', { sni: ['vault.example.com'], upstream: 'vault' })
    const counts = await tally(OFTEN, async () => {
      const client = await openTls(home.httpsPort, 'vault.example.com')
      const who = await client.line()
      await client.end()
      return who
    })
    t.same(counts, { vault: OFTEN })
    const secure = () => askTls(home.httpsPort, 'app.example.com', authority.pem)
    t.same(await tally(OFTEN, secure), { old: OFTEN }, 'beside a name that is terminated')
  })

  t.same(standing(home), before, 'the same workers, the same configuration')
})
