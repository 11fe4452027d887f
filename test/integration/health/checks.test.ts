/** Active checks of a gateway: who is served, and what they cost. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttp } from 'node:http'
import type { RequestListener } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import * as grpc from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'
import t from 'tap'
import { guardCheckPolicy } from '../../../contract/record/check-policy.js'
import type { CheckPolicy } from '../../../contract/record/check-policy.js'
import type { PeerTls } from '../../../contract/record/peer-tls.js'
import type { Check, CheckResult } from '../../../controller/health/checks/attempt.js'
import { checkGrpc } from '../../../controller/health/checks/grpc-check.js'
import { checkHttp } from '../../../controller/health/checks/http-check.js'
import { checkTcp } from '../../../controller/health/checks/tcp-check.js'
import { Trust } from '../../../controller/health/checks/trust.js'
import { makeAuthority, makeCertificates } from '../../../lab/engines/certificates.js'
import type { Pem } from '../../../lab/engines/certificates.js'
import { nodeArguments } from '../../../lab/node.js'
import { freePort } from '../../../lab/ports.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

const host = '127.0.0.1'
const CHECKS: Record<string, Check> = { http: checkHttp, tcp: checkTcp, grpc: checkGrpc }
const TYPES = Object.keys(CHECKS)

function policy(given: object): CheckPolicy {
  const checked = guardCheckPolicy(given)
  if (!checked.ok) {
    throw new Error(`${checked.field} ${checked.message}`)
  }
  return checked.value
}

function ask(
  port: number,
  given: { type: string; peers?: PeerTls; trustedCa?: string; [field: string]: unknown },
  at = host,
): Promise<CheckResult> {
  const signal = new AbortController().signal
  const { peers, trustedCa, ...fields } = given
  const asked = policy({ timeoutMs: 5000, ...fields })
  const tls = new Trust(trustedCa).tlsFor(asked, peers)
  return (CHECKS[given.type] as Check)({ host: at, port, tls }, asked, signal)
}

const failed = (why: string) => ({ ok: false, reason: `check failed: ${why}` })

async function listening(t: Tap, server: Server, at = host): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, at, resolve)
  })
  t.teardown(() => new Promise((resolve) => server.close(resolve)))
  t.teardown(() => sockets.forEach((socket) => socket.destroy()))
  return (server.address() as AddressInfo).port
}

type Tap = Pick<typeof t, 'teardown'>

const serve = (t: Tap, listener: RequestListener) => listening(t, createHttp(listener))
const accept = (t: Tap, listener: (socket: Socket) => void) => listening(t, createServer(listener))

/** Answers whatever is asked with the same bytes. */
const answer = (t: Tap, text: string, after: (socket: Socket) => void) =>
  accept(t, (socket) => socket.once('data', () => socket.write(text, () => after(socket))))

t.test('a status decides, and a redirect is not followed', async (t) => {
  let asked = 0
  const port = await serve(t, (request, response) => {
    asked += 1
    response.writeHead(Number(request.url?.slice(1)), { location: '/503' }).end('x')
  })
  const status = (path: string, more = {}) => ask(port, { type: 'http', path, ...more })
  t.same(await status('/200'), { ok: true })
  t.same(await status('/302'), { ok: true })
  t.same(await status('/204'), { ok: true })
  t.same(await status('/503'), failed('answered 503'))
  t.same(await status('/302', { statuses: '200-299' }), failed('answered 302'))
  t.same(await status('/404', { statuses: '200,404' }), { ok: true })
  t.same(await status('/404', { method: 'HEAD' }), failed('answered 404'))
  t.same(await status('/200', { method: 'HEAD' }), { ok: true })
  t.equal(asked, 8)
})

t.test('what is sent is what the policy says, over a connection of its own', async (t) => {
  const seen: unknown[] = []
  const port = await serve(t, ({ method, url, headers }, response) => {
    seen.push({ method, url, headers })
    response.end()
  })
  await ask(port, { type: 'http' })
  const headers = { 'X-Check': 'yes', 'User-Agent': 'mine' }
  await ask(port, { type: 'http', method: 'POST', path: '/a?b=c', host: 'app.test', headers })
  const connection = 'close'
  t.match(seen, [
    {
      method: 'GET',
      url: '/',
      headers: { host: `${host}:${port}`, connection, 'user-agent': 'sluice-check' },
    },
    {
      method: 'POST',
      url: '/a?b=c',
      headers: { host: 'app.test', 'x-check': 'yes', 'user-agent': 'mine', 'content-length': '0' },
    },
  ])
})

t.test('a body must contain what is asked for within its first 64 KB', async (t) => {
  const port = await serve(t, (request, response) => {
    const before = Number(request.url?.slice(1))
    response.write('x'.repeat(before))
    response.end('all is ✓ well')
  })
  const body = (before: number) => ask(port, { type: 'http', path: `/${before}`, body: '✓ well' })
  t.same(await body(0), { ok: true })
  t.same(await body(65_000), { ok: true })
  t.same(await body(65_530), failed('body lacks "✓ well"'))
  t.same(await body(200_000), failed('body lacks "✓ well"'))
})

t.test('a body of 100 MB is left after 64 KB', async (t) => {
  let sent = 0
  let isClosed = false
  const most = 100 * 1024 * 1024
  const chunk = Buffer.alloc(64 * 1024, 'x')
  const port = await serve(t, (_, response) => {
    response.on('close', () => (isClosed = true))
    const more = (): void => {
      while (sent < most && !response.destroyed) {
        sent += chunk.length
        if (!response.write(chunk)) {
          return
        }
      }
    }
    response.on('drain', more)
    more()
  })
  t.same(await ask(port, { type: 'http' }), { ok: true })
  await until(() => isClosed)
  t.ok(sent < most / 4, `${sent} bytes were sent`)
})

t.test('every type says that nobody listens', async (t) => {
  const port = await freePort()
  for (const type of TYPES) {
    t.same(await ask(port, { type }), failed('refused'), type)
  }
})

t.test('every type gives up on an instance that accepts and hangs', async (t) => {
  const port = await accept(t, () => undefined)
  for (const type of ['http', 'grpc']) {
    const result = await ask(port, { type, timeoutMs: 100 })
    t.same(result, failed('no answer in 100 ms'), type)
  }
  t.same(await ask(port, { type: 'tcp' }), { ok: true })
})

t.test('every type gives up on an instance that accepts no more', async (t) => {
  const script = `require('net').createServer().listen({ port: 0, host: '${host}', backlog: 1 }, function () {
    console.log(this.address().port) })`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const port = Number(line)
  child.kill('SIGSTOP')
  const waiting: Socket[] = []
  t.teardown(() => waiting.forEach((socket) => socket.destroy()))
  const isFull = async (): Promise<boolean> => {
    waiting.push(connect({ port, host }).on('error', () => undefined))
    return !(await ask(port, { type: 'tcp', timeoutMs: 100 })).ok
  }
  await until(isFull)
  for (const type of TYPES) {
    t.same(await ask(port, { type, timeoutMs: 100 }), failed('no answer in 100 ms'), type)
  }
})

t.test('every type ends at once when it is stopped, and leaves no connection', async (t) => {
  let open = 0
  const port = await accept(t, (socket) => {
    open += 1
    socket.on('close', () => (open -= 1))
    socket.resume()
  })
  for (const type of ['http', 'grpc']) {
    const stop = new AbortController()
    const check = CHECKS[type] as Check
    const address = { host, port }
    const result = check(
      address,
      policy({ type, intervalMs: 60_000, timeoutMs: 60_000 }),
      stop.signal,
    )
    await until(() => open === 1)
    stop.abort()
    t.match(await result, { ok: false, isOurs: true }, type)
    await until(() => open === 0)
    t.match(await check(address, policy({ type }), stop.signal), { isOurs: true })
  }
  const stop = new AbortController()
  const result = checkTcp({ host, port }, policy({ type: 'tcp' }), stop.signal)
  stop.abort()
  t.match(await result, { isOurs: true })
  await until(() => open === 0)
})

t.test('an answer that is no whole answer fails, whatever is wrong with it', async (t) => {
  const end = (socket: Socket) => void socket.end()
  const reset = (socket: Socket) => void socket.resetAndDestroy()
  const OK = 'HTTP/1.1 200 OK\r\n'
  const cut = 'closed before its answer was complete'
  const broken = /^check failed: (connection reset|closed before its answer was complete)$/
  const cases: Array<[string, (socket: Socket) => void, string | RegExp]> = [
    ['', end, cut],
    [OK, end, cut],
    [`${OK}content-length: 10\r\n\r\nhalf`, end, cut],
    [`${OK}transfer-encoding: chunked\r\n\r\n5\r\nhal`, end, cut],
    ['', reset, broken],
    [`${OK}content-length: 10\r\n\r\nhalf`, reset, broken],
    ['SSH-2.0-OpenSSH_9.6\r\n', () => undefined, 'its answer is not HTTP'],
    ['\u0000\u0001\u0002 \r\n\r\n', end, 'its answer is not HTTP'],
    [`${OK}a: ${'x'.repeat(100_000)}\r\n\r\n`, end, 'header of its answer is too large'],
  ]
  for (const [text, after, why] of cases) {
    const port = await answer(t, text, after)
    const result = await ask(port, { type: 'http' })
    const reason = typeof why === 'string' ? `check failed: ${why}` : why
    t.match(result, { ok: false, reason }, JSON.stringify(text.slice(0, 40)))
  }
})

t.test('half an answer is none when its time is up', async (t) => {
  const text = 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf'
  const port = await answer(t, text, () => undefined)
  const result = await ask(port, { type: 'http', timeoutMs: 100 })
  t.same(result, failed('no answer in 100 ms'))
})

t.test('answers of another kind pass: until the end, in chunks, after an early hint', async (t) => {
  const OK = 'HTTP/1.1 200 OK\r\n'
  const cases = [
    `${OK}\r\nfine`,
    `HTTP/1.0 200 OK\r\n\r\nfine`,
    `${OK}transfer-encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n`,
    `HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${OK}content-length: 4\r\n\r\nfine`,
  ]
  for (const text of cases) {
    const port = await answer(t, text, (socket) => void socket.end())
    t.same(await ask(port, { type: 'http', body: 'fine' }), { ok: true }, text)
  }
})

t.test('TLS: any certificate, the name of the policy, and no mixing with plain', async (t) => {
  const { server } = await makeCertificates(temporaryFolder(t))
  const pair = { cert: readFileSync(server.cert), key: readFileSync(server.key) }
  const names: unknown[] = []
  const secure = createHttps(pair, (request, response) => {
    names.push((request.socket as Socket & { servername: unknown }).servername)
    response.end('ok')
  })
  const port = await listening(t, secure)
  const tls = { type: 'http', tls: true }
  t.same(await ask(port, { ...tls, body: 'ok' }), { ok: true })
  t.same(await ask(port, { ...tls, host: 'app.test:8443' }), { ok: true })
  t.same(names, [false, 'app.test'])
  t.match(await ask(port, { type: 'http' }), {
    ok: false,
    reason: /^check failed: (conn|closed|its a)/,
  })
  const plain = await serve(t, (_, response) => void response.end('ok'))
  t.same(await ask(plain, tls), failed('TLS failed'))
  const cutter = await accept(t, (socket) => socket.once('data', () => socket.end()))
  t.same(await ask(cutter, tls), failed('connection reset'))
})

t.test('TLS as the upstream has it: the same name, the same authorities', async (t) => {
  const ours = await makeAuthority(temporaryFolder(t))
  const others = await makeAuthority(temporaryFolder(t))
  const trustedCa = ours.pem
  const serveBy = async (made: Promise<Pem>): Promise<number> => {
    const { certificate, privateKey } = await made
    const files = { cert: certificate, key: privateKey }
    const answer: RequestListener = ({ headers }, response) => void response.end(headers.host)
    return listening(t, createHttps(files, answer))
  }
  const right = await serveBy(ours.issue(['shop.internal']))
  const misnamed = await serveBy(ours.issue(['cart.internal', 'IP:127.0.0.1']))
  const foreign = await serveBy(others.issue(['shop.internal']))
  const peers = { serverName: 'shop.internal', verify: true }
  const verified = { type: 'http', peers, trustedCa }
  t.same(await ask(right, { ...verified, body: 'shop.internal' }), { ok: true }, 'and as the Host')
  t.same(await ask(right, { ...verified, host: 'else.test', body: 'else.test' }), { ok: true })
  t.same(await ask(misnamed, verified), failed('its certificate is for another name'))
  t.same(await ask(foreign, verified), failed('its certificate is by nobody who is trusted'))
  const any = { ...verified, peers: { ...peers, verify: false } }
  t.same(await ask(misnamed, any), { ok: true })
  t.same(await ask(foreign, any), { ok: true })
  const plain = await serve(t, (_, response) => void response.end('ok'))
  t.same(await ask(plain, verified), failed('TLS failed'))
  t.same(await ask(plain, { ...verified, tls: false }), { ok: true }, 'its own port may be without')
})

t.test('a check asks gRPC over TLS, and verifies the certificate', async (t) => {
  const ours = await makeAuthority(temporaryFolder(t))
  const { certificate, privateKey } = await ours.issue(['shop.internal'])
  const pair = {
    cert_chain: Buffer.from(certificate),
    private_key: Buffer.from(privateKey),
  }
  const server = new grpc.Server()
  new HealthImplementation({ '': 'SERVING' }).addToServer(server)
  const credentials = grpc.ServerCredentials.createSsl(null, [pair])
  const port = await promisify(server.bindAsync.bind(server))(`${host}:0`, credentials)
  t.teardown(() => server.forceShutdown())
  const trustedCa = ours.pem
  const peers = { serverName: 'shop.internal', verify: true }
  t.same(await ask(port, { type: 'grpc', peers, trustedCa }), { ok: true })
  const elsewhere = { serverName: 'else.internal', verify: true }
  const answer = await ask(port, { type: 'grpc', peers: elsewhere, trustedCa })
  t.same(answer, failed('its certificate is for another name'))
  t.match(await ask(port, { type: 'grpc' }), { ok: false }, 'not without')
})

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
)

t.test(
  'an instance with an IPv6 address',
  { skip: hasIpv6 ? false : 'no IPv6 here' },
  async (t) => {
    const seen: unknown[] = []
    const server = createHttp(({ headers }, response) => {
      seen.push(headers.host)
      response.end()
    })
    const port = await listening(t, server, '::1')
    t.same(await ask(port, { type: 'http' }, '::1'), { ok: true })
    t.same(await ask(port, { type: 'tcp' }, '::1'), { ok: true })
    t.same(
      await ask(port, { type: 'grpc' }, '::1'),
      failed('connection lost, or its answer is not gRPC'),
    )
    t.same(seen, [`[::1]:${port}`])
  },
)

async function startGrpc(t: Tap, health?: HealthImplementation): Promise<number> {
  const server = new grpc.Server()
  health?.addToServer(server)
  const port = await new Promise<number>((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createInsecure()
    server.bindAsync(`${host}:0`, credentials, (error, port) =>
      error === null ? resolve(port) : reject(error),
    )
  })
  t.teardown(() => server.forceShutdown())
  return port
}

t.test('gRPC: what a real health server says, for each service', async (t) => {
  const long = 'a.'.repeat(100)
  const health = new HealthImplementation({ '': 'SERVING', 'shop.Cart': 'NOT_SERVING' })
  health.setStatus(long, 'SERVING')
  health.setStatus('lost', 'UNKNOWN')
  const port = await startGrpc(t, health)
  const of = (service: string) => ask(port, { type: 'grpc', service })
  t.same(await of(''), { ok: true })
  t.same(await of(long), { ok: true })
  t.same(await of('shop.Cart'), failed('answered NOT_SERVING'))
  t.same(await of('nobody'), failed('answered SERVICE_UNKNOWN'))
  t.same(await of('lost'), failed('answered UNKNOWN'))
  health.setStatus('shop.Cart', 'SERVING')
  t.same(await of('shop.Cart'), { ok: true })
})

t.test('gRPC: a server without the health service, and what is no gRPC server', async (t) => {
  t.same(await ask(await startGrpc(t), { type: 'grpc' }), failed('has no gRPC health service'))
  const cases = [
    await serve(t, (_, response) => void response.end('ok')),
    await answer(t, 'SSH-2.0-OpenSSH_9.6\r\n', () => undefined),
    await accept(t, (socket) => socket.end()),
    await accept(t, (socket) => socket.once('data', () => socket.resetAndDestroy())),
  ]
  for (const port of cases) {
    const result = await ask(port, { type: 'grpc' })
    t.match(result, { ok: false, reason: /^check failed: / })
    t.notMatch(result, { reason: /no answer in/ })
  }
})

t.test('without file descriptors nothing is said of the instance', async (t) => {
  const port = await startGrpc(t, new HealthImplementation({ '': 'SERVING' }))
  const script = fileURLToPath(new URL('../../support/check-files-process.ts', import.meta.url))
  // Node takes what the hard limit allows, so that one is lowered.
  const command = 'ulimit -n 64; exec "$@"'
  const node = [process.execPath, ...nodeArguments(script), String(port)]
  const { stdout } = await promisify(execFile)('bash', ['-c', command, 'bash', ...node])
  const found = JSON.parse(stdout) as Record<string, Record<string, unknown>>
  const { before, without, concluded, after } = found
  t.match(before, { tcp: { ok: true }, grpc: { ok: true }, http: { ok: false } })
  for (const type of TYPES) {
    t.match(without?.[type], { ok: false, isOurs: true, reason: /EMFILE/ }, type)
  }
  t.match(concluded, { state: 'up' })
  t.same(after, before)
})
