// Bodies of requests: what is refused is refused before anything of a body is read, in each engine
// and on stable nginx, at the gateway and in a user's own server.
import { connect as connectHttp2, constants } from 'node:http2'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ask } from '../../../lab/ask.js'
import { startBackend, type Backend } from '../../../lab/backends/backend.js'
import { GATEWAY_KINDS, startGateway, type Gateway } from '../../../lab/nginx/gateway.js'
import { hostUnit, ruledUnit, upstreamUnit } from '../../../lab/nginx/unit-builder.js'
import { until } from '../../../lab/until.js'
import { head, sendRaw } from '../../support/raw-http.js'
import { routeUnits } from '../../support/route-units.js'
import { smallDisk } from '../../support/small-disk.js'

t.setTimeout(170_000)

const LARGE = 90_000_000

/** A user's server that routes by the table, and passes bodies on as they come. */
const conf = (port: number): string => `
  server {
    listen 127.0.0.1:${port};
    client_max_body_size 200m;
    proxy_request_buffering off;
    include "$HOME/sluice/server.conf";
    location /own/ { set $sluice_upstream two; include "$HOME/sluice/proxy.conf"; }
    location /own/hop/ { set $sluice_upstream hop; include "$HOME/sluice/proxy.conf"; }
  }`

/** Hosts whose requests are refused, and the status. */
const REFUSED: Array<[host: string, status: number]> = [
  ['none.test', 404],
  ['closed.test', 503],
  ['moved.test', 308],
  ['secure.test', 301],
  ['small.test', 413],
  ['nobody.test', 503],
  ['acting.test', 503],
]

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, { kind, conf })
    const web = await startBackend(t, 'web')
    const spare = await startBackend(t, 'spare')
    const { pool } = gateway
    const both = [web, spare].map(({ id, address }) => ({ id, address, pooled: pool }))
    const two = upstreamUnit('two', both)
    const byHop = both.map((peer) => ({ ...peer, pooled: false }))
    const tried = { main: ['web', 'spare'] }
    const webUnit = upstreamUnit('web', [{ id: 'w1', address: web.address, pooled: pool }])
    const nobody = upstreamUnit('nobody', [{ id: 'n1', address: web.address, up: false }])
    await gateway.fillPool(web.address, spare.address)
    await gateway.setTable(
      ...[two, hostUnit('two.test', [['/', ':two']], two)],
      ...[upstreamUnit('hop', byHop), hostUnit('hop.test', [['/', ':hop']])],
      ruledUnit('tried', byHop, { balance: 'r', statuses: 31, nonIdempotent: true }, tried),
      hostUnit('tried.test', [['/', ':tried']]),
      ...routeUnits('changed', ':two', { rewrite: { replacePrefix: '/c' } }),
      ...routeUnits('waited', ':two', { timeouts: { readMs: 60_000 } }),
      ...[webUnit, nobody, hostUnit('web.test', [['/', ':web']], webUnit)],
      hostUnit('nobody.test', [['/', ':nobody']], nobody),
      ...routeUnits('closed', ':web', { maintenance: { status: 503, body: 'later\n' } }),
      ...routeUnits('moved', '-', { redirect: { host: 'new.test', status: 308 } }),
      ...routeUnits('secure', ':web', { redirect: { scheme: 'https', status: 301 } }),
      ...routeUnits('small', ':web', { maxBodyBytes: 1000 }),
      ...routeUnits('acting', ':nobody', { rewrite: { replacePrefix: '/v2' } }),
      ...routeUnits('quick', ':web', { timeouts: { readMs: 60_000 } }),
      ...routeUnits('limited', ':web', { maxBodyBytes: 5000, timeouts: { readMs: 60_000 } }),
    )
    for (const [what, port] of [
      ['gateway', gateway.httpPort],
      ["a user's server", gateway.userPort],
    ] as const) {
      await t.test(what, async (t) => {
        await refusals(t, port, web)
        await passes(t, gateway, port, web)
        await brokenChunks(t, port, [web, spare])
      })
    }
    if (pool) {
      // Elsewhere the hop is asked, which has a body whole before it asks.
      await t.test('a body that breaks later', (t) =>
        brokenLater(t, gateway.userPort, [web, spare]),
      )
    }
    await t.test('over HTTP/2 the same bodies are refused and served', (t) => overHttp2(t, gateway))
    await t.test('on a full disk only what needs the disk is refused', (t) =>
      fullDisk(t, gateway, web),
    )
    await t.test('more than the gateway takes', async (t) => {
      const most = sendRaw(t, gateway.httpPort, head('web.test', '/', 'Content-Length: 2000000000'))
      t.equal(await most.first(), '413')
    })
  })
}

/** Only what needs the disk is refused: what fits into nginx's buffers is served as ever. */
async function fullDisk(t: Test, gateway: Gateway, web: Backend): Promise<void> {
  const disk = await smallDisk(t, join(gateway.home, 'temp/client_body'), 2_000_000)
  const post = async (bytes: number, host = 'web.test'): Promise<number> => {
    const body = Buffer.alloc(bytes, 'x')
    return (await gateway.ask({ host, method: 'POST', body })).status
  }
  t.equal(await post(500_000), 200, 'there is room')
  disk.fill()
  for (const host of ['web.test', 'quick.test']) {
    t.equal(await post(100_000, host), 200, host)
    t.equal(web.ledger.at(-1)?.bytes, 100_000)
  }
  t.match(await gateway.ask({ host: 'web.test' }), { status: 200 })
  const before = web.ledger.length
  t.equal(await post(500_000), 500)
  t.equal(web.ledger.length, before, 'no part of it is passed on')
  t.match(gateway.errorLog(), /No space left on device/)
  t.equal(await post(100_000), 200, 'others go on')
  disk.clear()
  t.equal(await post(500_000), 200)
}

async function refusals(t: Test, port: number, web: Backend): Promise<void> {
  const before = web.ledger.length
  for (const [host, status] of REFUSED) {
    const length = `Content-Length: ${LARGE}`
    const known = sendRaw(t, port, head(host, '/x', length), 'some of it')
    t.equal(await known.first(), String(status), `${host}: by its length`)
    const expected = sendRaw(t, port, head(host, '/x', length, 'Expect: 100-continue'))
    t.equal(await expected.first(), String(status), `${host}: and nothing of it is asked for`)
    const chunk = `5000\r\n${'x'.repeat(0x5000)}\r\n`
    const chunked = sendRaw(t, port, head(host, '/x', 'Transfer-Encoding: chunked'), chunk)
    t.equal(await chunked.first(), String(status), `${host}: in chunks that do not end`)
  }
  t.equal(web.ledger.length, before, 'no instance was asked')
}

/** What is not refused has all of its body. */
async function passes(t: Test, gateway: Gateway, port: number, web: Backend): Promise<void> {
  const body = Buffer.alloc(300_000, 'x')
  for (const host of ['web.test', 'quick.test']) {
    for (const chunkBytes of [undefined, 7000]) {
      const chunked = chunkBytes === undefined ? {} : { chunkBytes }
      const sent = { port, host, path: '/a%2Fb?c', method: 'POST', body, ...chunked }
      const answer = await gateway.ask(sent)
      t.match(answer.json, { bytes: body.length, url: '/a%2Fb?c', method: 'POST' }, host)
    }
  }
  const some = { port, host: 'limited.test', method: 'POST' }
  for (const chunkBytes of [undefined, 700]) {
    const chunked = chunkBytes === undefined ? {} : { chunkBytes }
    for (const [bytes, status] of [
      [0, 200],
      [5000, 200],
      [5001, 413],
      [90_000, 413],
    ] as const) {
      const answer = await gateway.ask({ ...some, ...chunked, body: Buffer.alloc(bytes, 'x') })
      t.equal(answer.status, status, `${bytes} bytes`)
      t.ok(status === 200 || answer.body.includes('larger than this route takes'), answer.body)
    }
  }
  t.equal(web.ledger.at(-1)?.bytes, 5000)
}

/**
 * What begins with a chunk that is none reaches nobody; what ends in one, and was sent on as it
 * came, reaches one instance, and once.
 */
async function brokenChunks(t: Test, port: number, backends: Backend[]): Promise<void> {
  const asked = () => backends.reduce((sum, { ledger }) => sum + ledger.length, 0)
  const start = (name: string, path: string, method: string) =>
    head(`${name}.test`, path, 'Transfer-Encoding: chunked').replace('POST', method)
  const places = ['two', 'hop', 'tried', 'changed', 'waited'].map((name) => [name, '/x'] as const)
  for (const [name, path] of [...places, ['two', '/own/x'], ['two', '/own/hop/x']] as const) {
    const before = asked()
    for (const method of ['PUT', 'POST', 'GET']) {
      for (const body of ['ZZZ\r\n', '5\r\nhello\r\nZZZ\r\n']) {
        const sent = sendRaw(t, port, start(name, path, method) + body)
        t.equal(await sent.first(), '400', `${name}${path}: ${method}`)
      }
    }
    // When this is answered, whatever came before it has been.
    await ask({ port, host: `${name}.test` })
    t.equal(asked(), before + 1, `${name}${path}`)
  }
}

async function brokenLater(t: Test, port: number, backends: Backend[]): Promise<void> {
  const asked = () => backends.reduce((sum, { ledger }) => sum + ledger.length, 0)
  for (const path of ['/x', '/own/x']) {
    const before = asked()
    const begin = head('two.test', path, 'Transfer-Encoding: chunked').replace('POST', 'PUT')
    const sent = sendRaw(t, port, begin, '5\r\nhello\r\n')
    await until(() => asked() > before, { what: 'an instance to be asked' })
    sent.socket.write('ZZZ\r\n')
    await sent.first()
    await ask({ port, host: 'two.test' })
    t.equal(asked(), before + 2, path)
  }
}

async function overHttp2(t: Test, gateway: Gateway): Promise<void> {
  const session = connectHttp2(`https://127.0.0.1:${gateway.httpsPort}`, {
    rejectUnauthorized: false,
  })
  session.on('error', () => undefined)
  for (const [host, status] of REFUSED.filter(([host]) => host !== 'secure.test')) {
    for (const length of [{ 'content-length': String(LARGE) }, {}]) {
      const headers = { ':method': 'POST', ':path': '/x', ':authority': host, ...length }
      const stream = session.request(headers)
      stream.on('error', () => undefined)
      stream.write(Buffer.alloc(20_000, 'x'))
      const found = await new Promise((resolve) => {
        stream.on('response', (answer) => resolve(answer[':status']))
        stream.on('close', () => resolve('closed'))
      })
      t.equal(found, status, `${host} ${JSON.stringify(length)}`)
      stream.close(constants.NGHTTP2_CANCEL)
    }
  }
  session.close()
}
