/** Who may call the API, and from where. */
import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import https from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { request } from 'undici'
import { ownApiUrl } from '../../../cli/client.js'
import { startApi } from '../../../controller/api/server.js'
import { silentLogger } from '../../../runtime/logger.js'
import type { Logger } from '../../../runtime/logger.js'
import { noMetrics, problem, testApi } from '../../support/api.js'
import { startControl } from '../../support/control.js'
import { ask } from '../../../lab/ask.js'
import { rawAsk } from '../../../lab/raw-ask.js'
import { httpCall } from '../../support/http-call.js'
import type { Json } from '../../support/http-call.js'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

const A = '/v1/upstreams/web/instances/a'
const instance = { host: '127.0.0.1', port: 9001 }

t.test('over TCP a token is needed, over the socket the file', async (t) => {
  const { api, home, raw } = await testApi(t)
  t.equal(statSync(api.socket).mode & 0o777, 0o600)
  t.equal(statSync(join(home, 'api-token')).mode & 0o777, 0o600)
  t.equal(readFileSync(join(home, 'api-token'), 'utf8').trim(), api.token)
  t.ok(Buffer.from(api.token, 'base64url').length >= 32)
  const refused = await raw('/v1/upstreams')
  t.same(problem(refused), { status: 401, code: 'unauthorized' })
  t.match(refused.headers['www-authenticate'], /Bearer/)
  for (const authorization of [
    'Bearer x',
    `Basic ${api.token}`,
    `Bearer ${api.token}x`,
    'Bearer',
  ]) {
    t.equal((await raw('/v1/upstreams', { headers: { authorization } })).status, 401)
  }
  t.equal((await raw('/v1/nothing')).status, 401, 'without a token nobody learns what there is')
  const put = { method: 'PUT', body: instance, socket: api.socket }
  t.equal((await httpCall(`http://anything${A}`, put)).status, 201)
  t.equal(
    (await raw('/v1/upstreams', { headers: { authorization: `bearer ${api.token}` } })).status,
    200,
  )
  for (const path of ['/healthz', '/readyz', '/readyz?verbose', '/metrics', '/openapi.json']) {
    t.equal((await raw(path)).status, 200, path)
    t.equal((await raw(path, { headers: { authorization: 'Bearer wrong' } })).status, 401)
  }
  t.equal((await raw('/metrics')).body, 'sluice_up 1\n')
})

t.test('who guesses tokens is slowed down, who has one is not', async (t) => {
  const { api, raw } = await testApi(t)
  const guess = () => raw('/v1/upstreams', { headers: { authorization: 'Bearer guess' } })
  const refused = await until(async () => {
    const answer = await guess()
    return answer.status === 429 ? answer : undefined
  })
  t.same(problem(refused), { status: 429, code: 'too_many' })
  t.ok(refused.headers['retry-after'])
  t.equal(
    (await raw('/v1/upstreams', { headers: { authorization: `Bearer ${api.token}` } })).status,
    200,
  )
})

t.test('connections without a token keep nobody out', async (t) => {
  const { api, raw } = await testApi(t)
  const { port, hostname } = new URL(api.url)
  const headers = { authorization: `Bearer ${api.token}` }
  const keeping = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => keeping.destroy())
  const kept = () => ask({ port: Number(port), path: '/v1/upstreams', agent: keeping, headers })
  t.equal((await kept()).status, 200)
  const silent = Array.from({ length: 400 }, () => connect(Number(port), hostname))
  let open = 0
  for (const socket of silent) {
    socket.on('connect', () => (open += 1)).on('error', () => undefined)
    socket.resume().on('close', () => (open -= 1))
  }
  t.teardown(() => silent.forEach((socket) => socket.destroy()))
  await until(() => open === 256, { what: 'the first ones to be cut' })
  t.equal((await raw('/v1/upstreams', { headers })).status, 200, 'a token is heard')
  t.equal((await raw('/healthz')).status, 200)
  t.equal((await httpCall('http://x/healthz', { socket: api.socket })).status, 200)
  t.equal((await kept()).status, 200)
  t.equal(new Set(Object.values(keeping.freeSockets).flat()).size, 1, 'one with a token stays')
})

t.test('what is no HTTP is answered by a problem, too', async (t) => {
  const { api } = await testApi(t)
  const token = `Authorization: Bearer ${api.token}`
  const line = 'GET /v1/upstreams HTTP/1.1\r\n'
  const host = `${line}Host: localhost\r\n${token}\r\n`
  const chunks = `${host}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`
  const cases: Array<[text: string, status: number, code: string]> = [
    [`${host}Cookie: a=${'x'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
    ['nonsense\r\n\r\n', 400, 'invalid'],
    [`${host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400, 'invalid'],
    [`${chunks.replace('GET', 'PUT')}1;${'x'.repeat(20_000)}\r\n{\r\n`, 413, 'too_large'],
    [`${line}${token}\r\nConnection: close\r\n\r\n`, 400, 'invalid'],
    [`CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n`, 405, 'method_not_allowed'],
    [`${host}Expect: nothing\r\nConnection: close\r\n\r\n`, 200, ''],
  ]
  for (const door of [Number(new URL(api.url).port), api.socket]) {
    for (const [text, status, code] of cases) {
      const answer = await rawAsk(door, text)
      const [head = '', body = ''] = answer.split('\r\n\r\n')
      t.match(head, new RegExp(`^HTTP/1.1 ${status} `), `${door} ${code}`)
      if (code !== '') {
        t.match(head, /\r\ncontent-type: application\/problem\+json/)
        t.match(JSON.parse(body), { status, code, type: `urn:sluice:problem:${code}` })
      }
    }
  }
})

t.test('a page in a browser can do nothing', async (t) => {
  const { api, raw } = await testApi(t)
  const authorization = `Bearer ${api.token}`
  const host = new URL(api.url).host
  const put = (headers: Record<string, string>) =>
    raw(A, { method: 'PUT', body: instance, headers: { authorization, ...headers } })
  const forbidden: Array<Record<string, string>> = [
    { host: 'evil.example' },
    { host: `evil.example:${new URL(api.url).port}` },
    { host: '10.0.0.1' },
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: `https://${host}` },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ]
  for (const headers of forbidden) {
    t.match(
      problem(await put(headers)),
      { status: 403, code: 'forbidden' },
      JSON.stringify(headers),
    )
  }
  t.equal((await raw('/metrics', { headers: { host: 'rebound.example' } })).status, 403)
  for (const name of ['localhost', 'LOCALHOST.:80', '127.0.0.1:1', '[::1]:8081']) {
    t.equal((await raw('/healthz', { headers: { host: name } })).status, 200, name)
  }
  t.equal((await put({ origin: `http://${host}`, 'sec-fetch-site': 'same-origin' })).status, 201)
})

t.test('a token that is given or kept', async (t) => {
  const home = temporaryFolder(t, 'token')
  const control = await startControl(home, { settings: { apiToken: 'of my own' } })
  t.teardown(() => control.close())
  const api = await startApi(control, noMetrics)
  t.equal(api.token, 'of my own')
  t.notOk(existsSync(join(home, 'api-token')))
  await api.close()

  const own = { ...control, settings: { ...control.settings, apiToken: undefined } }
  writeFileSync(join(home, 'api-token'), 'kept-for-a-long-time\n', { mode: 0o644 })
  const second = await startApi(own, noMetrics)
  t.equal(second.token, 'kept-for-a-long-time')
  t.equal(statSync(join(home, 'api-token')).mode & 0o777, 0o600, 'closed to others')
  await second.close()
  writeFileSync(join(home, 'api-token'), 'too short')
  await t.rejects(startApi(own, noMetrics), { code: 'invalid', message: /api-token/ })
  // What a power cut left is no token.
  writeFileSync(join(home, 'api-token'), '')
  const third = await startApi(own, noMetrics)
  t.match(third.token, /^[\w-]{43}$/, 'made anew')
  const statusOf = async (token: string): Promise<number> => {
    const headers = { authorization: `Bearer ${token}` }
    const { statusCode, body } = await request(`${third.url}/v1/upstreams`, { headers })
    await body.dump()
    return statusCode
  }
  writeFileSync(join(home, 'api-token'), 'rotated-while-it-runs\n')
  t.equal(await statusOf('rotated-while-it-runs'), 200, 'a rotated token counts at once')
  t.equal(await statusOf(third.token), 401, 'and the old one no more')
  writeFileSync(join(home, 'api-token'), '')
  t.equal(await statusOf('rotated-while-it-runs'), 200, 'one that is half written does not')
  await third.close()
})

t.test('ports and sockets that are in use', async (t) => {
  const { control, api, home } = await testApi(t)
  await t.rejects(startApi(control, noMetrics), { code: 'conflict', message: /another controller/ })
  t.equal((await httpCall('http://x/healthz', { socket: api.socket })).status, 200, 'unharmed')

  const other = temporaryFolder(t, 'other')
  const apiPort = Number(new URL(api.url).port)
  const taken = { ...control, settings: { ...control.settings, home: other, apiPort } }
  await t.rejects(startApi(taken, noMetrics), {
    code: 'conflict',
    message: new RegExp(`${apiPort}.*SLUICE_API_PORT`),
  })
  t.notOk(existsSync(join(other, 'api.sock')), 'nothing is left behind')

  const long = { ...control, settings: { ...control.settings, home: join(home, 'x'.repeat(120)) } }
  await t.rejects(startApi(long, noMetrics), { code: 'invalid', message: /SLUICE_HOME/ })
})

t.test('a socket that a dead process left is replaced', async (t) => {
  const home = temporaryFolder(t, 'stale')
  const control = await startControl(home)
  t.teardown(() => control.close())
  const script = `require('net').createServer().listen(${JSON.stringify(join(home, 'api.sock'))}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', script])
  t.ok(existsSync(join(home, 'api.sock')))
  const api = await startApi(control, noMetrics)
  t.equal((await httpCall('http://x/healthz', { socket: api.socket })).status, 200)
  await api.close()
  t.notOk(existsSync(api.socket), 'and taken away at the end')
})

t.test('an unexpected error says nothing of itself, and the log all', async (t) => {
  const lines: Array<[facts: Json, message: string]> = []
  const note = (facts: Json, message: string) => void lines.push([facts, message])
  const log = {
    debug: note,
    info: note,
    warn: note,
    error: note,
    child: () => log,
  } as unknown as Logger
  const { call, control } = await testApi(t, { log })
  control.gateways = () => {
    throw new Error('secret detail')
  }
  const failed = await call('GET', '/v1/gateways')
  t.same(problem(failed), { status: 500, code: 'internal' })
  t.notMatch(JSON.stringify(failed.body), /secret/)
  const { requestId } = failed.body
  t.equal(failed.headers['x-request-id'], requestId)
  t.ok(lines.some(([facts]) => facts.requestId === requestId && /secret/.test(String(facts.error))))

  const put = await call('PUT', A, instance)
  const [audit] = lines.find(([facts]) => facts.audit === true) ?? []
  const change = { who: 'token', op: 'create', kind: 'instance', upstream: 'web', id: 'a' }
  t.match(audit, { ...change, before: 0, after: 1, requestId: put.headers['x-request-id'] })
})

t.test('the registry away, and not yet ready', async (t) => {
  let ready = false
  const { call, raw, control } = await testApi(t, { ready: () => ready })
  t.match(problem(await raw('/readyz')), { status: 503, code: 'gateway_unavailable' })
  ready = true
  t.same((await raw('/readyz')).body, { ready: true })
  await call('PUT', A, instance)
  await control.registry.close()
  const failed = await call('PUT', A, { ...instance, weight: 2 })
  t.match(problem(failed), { status: 503, code: 'registry_unavailable' })
  t.ok(failed.headers['retry-after'])
  t.equal((await call('GET', A)).status, 200, 'what is known can still be read')
})

t.test('it stops at once, whoever waits', async (t) => {
  const home = temporaryFolder(t, 'stop')
  const control = await startControl(home)
  t.teardown(() => control.close())
  const api = await startApi(control, noMetrics)
  const socket = api.socket
  await httpCall(`http://x${A}`, { method: 'PUT', body: instance, socket })
  control.inFlight.set('web/a', 1)
  const drain = { method: 'POST', body: { waitMs: 600_000 }, socket }
  const waiting = httpCall(`http://x${A}/drain`, drain).then(
    () => 'answered',
    () => 'cut off',
  )
  await until(() => control.desired().upstreams.get('web')?.instances.get('a')?.override)
  await api.close()
  t.ok(await waiting)
})

t.test('the API speaks TLS with the certificate that it is given', async (t) => {
  const home = temporaryFolder(t, 'api-tls')
  const authority = await makeAuthority(home)
  const pem = await authority.issue(['localhost', 'IP:127.0.0.1'])
  const apiTls = { certificate: join(home, 'api.crt'), key: join(home, 'api.key') }
  writeFileSync(apiTls.certificate, pem.certificate)
  const lines: string[] = []
  const note = (_: object, message?: string) => void lines.push(message ?? '')
  const log = { ...silentLogger, info: note, error: note }
  const control = await startControl(home, { settings: { apiTls }, log })
  t.teardown(() => control.close())
  await t.rejects(startApi(control, noMetrics), { code: 'invalid', message: /apiKey: ENOENT/ })
  writeFileSync(apiTls.key, 'no key')
  await t.rejects(startApi(control, noMetrics), { code: 'invalid', message: /api\.key/ })
  writeFileSync(apiTls.key, pem.privateKey)
  const api = await startApi(control, noMetrics)
  t.teardown(() => api.close())
  t.equal(api.url, ownApiUrl({ ...control.settings, apiPort: Number(new URL(api.url).port) }))
  const origin = new URL(api.url).origin
  const put = (from: string) =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${api.token}`, origin: from }
      const options = { method: 'PUT', ca: authority.pem, agent: false, headers }
      const json = { ...headers, 'content-type': 'application/json' }
      https
        .request(api.url + A, { ...options, headers: json }, (answer) => {
          answer.resume().on('end', () => resolve(answer.statusCode))
        })
        .on('error', reject)
        .end(JSON.stringify(instance))
    })
  t.equal(await put(origin), 201)
  t.equal(await put(origin.replace('https', 'http')), 403, 'a page without TLS is another site')
  await t.rejects(httpCall(api.url.replace('https', 'http') + '/healthz'), 'nothing in plain text')
  t.equal((await httpCall('http://x/healthz', { socket: api.socket })).status, 200)

  const { port } = new URL(api.url)
  const shown = () =>
    new Promise<string>((resolve, reject) => {
      const socket = connectTls(
        { port: Number(port), host: '127.0.0.1', ca: authority.pem },
        () => {
          resolve(socket.getPeerCertificate().fingerprint256)
          socket.end()
        },
      )
      socket.on('error', reject)
    })
  const fingerprint = ({ certificate }: typeof pem) =>
    new X509Certificate(certificate).fingerprint256
  t.equal(await shown(), fingerprint(pem))
  const renewed = await authority.issue(['localhost', 'IP:127.0.0.1'])
  writeFileSync(apiTls.certificate, renewed.certificate)
  await until(() => lines.includes('the API shows the certificate that it had'))
  t.equal(await shown(), fingerprint(pem), 'its key is not there yet')
  writeFileSync(apiTls.key, renewed.privateKey)
  await until(async () => (await shown()) === fingerprint(renewed))
  t.same(lines.filter((line) => line.includes('certificate')).length, 2)
})
