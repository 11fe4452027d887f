// What a client says of itself and of what it asks for: how much of it counts, in each engine and
// on stable nginx.
import type { IncomingHttpHeaders } from 'node:http'
import t from 'tap'
import type { Test } from 'tap'
import { ask } from '../../../lab/ask.js'
import { GATEWAY_KINDS } from '../../../lab/nginx/gateway.js'
import { rawAsk, readRaw } from '../../../lab/raw-ask.js'
import { until } from '../../../lab/until.js'
import { startAttacked } from '../../support/attacked.js'
import { UPGRADES_OVER_H2, askH2, upgradingH2 } from '../../support/raw-h2.js'
import { BELIEVED, PROXY, SAID } from '../../support/forwarded.js'
import type { Attacked } from '../../support/attacked.js'

t.setTimeout(170_000)

const CLOSE = 'Connection: close\r\n\r\n'

/** What reached an instance. */
interface Seen {
  url: string
  headers: IncomingHttpHeaders
}

/** `lines` with a request's end behind them. */
async function sent(port: number, ...lines: string[]) {
  const { json, ...answer } = readRaw(await rawAsk(port, `${lines.join('\r\n')}\r\n${CLOSE}`))
  return { ...answer, seen: json as Seen | undefined }
}

/** The host that counts is that of the request's first line. */
async function hosts(t: Test, { gateway, api }: Attacked): Promise<void> {
  const { httpPort, userPort } = gateway
  const absolute = (host: string, path: string) => `GET http://${host}${path} HTTP/1.1`
  const foreign = 'Host: byhop.test'
  for (const host of ['web.test', 'byhop.test']) {
    const { status, seen } = await sent(httpPort, absolute(host, '/x'), 'Host: api.internal:81')
    t.equal(status, 200, host)
    t.match(seen, { url: '/x', headers: { host, 'x-forwarded-host': host } })
  }
  for (const path of ['/headers', '/sticky', '/retried', '/limited', '/']) {
    const { status, seen } = await sent(httpPort, absolute('Acts.Test', path), foreign)
    t.equal(status, 200, path)
    t.match(seen, { headers: { host: 'acts.test', 'x-forwarded-host': 'acts.test' } }, path)
  }
  const moved = await sent(httpPort, absolute('acts.test', '/moved'), foreign)
  t.match(moved, { status: 301, location: 'https://acts.test/moved' })
  const long = `/moved?${'x'.repeat(7000)}`
  const away = await sent(httpPort, `GET ${long} HTTP/1.1`, 'Host: acts.test')
  t.match(away, { status: 301, location: `https://acts.test${long}` })
  for (const path of ['/', '/sticky/']) {
    const { seen } = await sent(userPort, absolute('acts.test', path), foreign)
    t.match(seen, { headers: { host: 'acts.test', 'x-forwarded-host': 'acts.test' } })
  }
  const port = await sent(httpPort, absolute('web.test:82', '/'), 'Host: other:83')
  t.match(port.seen, { headers: { host: 'web.test:82', 'x-forwarded-host': 'web.test:82' } })
  const usual = await sent(httpPort, 'GET / HTTP/1.1', 'Host: web.test:84')
  t.match(usual.seen, { headers: { host: 'web.test:84' } })
  t.match(await until(() => gateway.accessLog().find(({ uri }) => uri === '/moved')), {
    host: 'acts.test',
  })
  t.same(api.ledger, [])
}

/** A load balancer's check: HTTP/1.0, and no host. */
async function noHost(t: Test, { gateway }: Attacked): Promise<void> {
  const { httpPort, userPort } = gateway
  for (const path of ['/', '/headers', '/sticky', '/retried', '/limited']) {
    const { status, seen } = await sent(httpPort, `GET ${path} HTTP/1.0`)
    t.equal(status, 200, path)
    t.match(seen, { headers: { host: `127.0.0.1:${httpPort}` } })
  }
  t.equal((await sent(httpPort, 'GET /closed HTTP/1.0')).status, 503)
  const location = `https://127.0.0.1/moved`
  t.match(await sent(httpPort, 'GET /moved HTTP/1.0'), { status: 301, location })
  t.equal((await sent(userPort, 'GET /sticky/ HTTP/1.0')).status, 200)
}

/** Whoever is trusted is believed; what others say is replaced. */
async function proxies(t: Test, { gateway }: Attacked): Promise<void> {
  const { httpPort, userPort } = gateway
  const ask = async (port: number, said: object, path: string, from?: string) => {
    const lines = Object.entries(said).map(([name, value]) => `${name}: ${value}`)
    const host = `Host: acts.test`
    const text = [`GET ${path} HTTP/1.1`, host, ...lines, CLOSE].join('\r\n')
    const { json, ...answer } = readRaw(await rawAsk(port, text, from))
    return { ...answer, seen: json as Seen | undefined }
  }
  for (const path of ['/?p', '/headers?p', '/sticky/?p', '/retried?p', '/limited?p']) {
    const forged = await ask(httpPort, SAID, path)
    const { 'x-forwarded-for': chain, forwarded, ...headers } = forged.seen?.headers ?? {}
    t.same([chain, forwarded], ['127.0.0.1', undefined], path)
    const own = { 'x-forwarded-proto': 'http', 'x-forwarded-host': 'acts.test' }
    t.match(headers, { ...own, 'x-forwarded-port': `${httpPort}` }, path)
    const { seen } = await ask(httpPort, SAID, path, PROXY)
    t.match(seen?.headers, BELIEVED)
  }
  // Another worker may write the later request's line first.
  const logged = (client: string) =>
    until(() =>
      gateway.accessLog().find((line) => line.uri === '/sticky/?p' && line.client === client),
    )
  t.match(await logged('127.0.0.1'), { scheme: 'http' })
  t.match(await logged('203.0.113.9'), { scheme: 'https' })
  const byUser = await ask(userPort, SAID, '/sticky/', PROXY)
  t.match(byUser.seen?.headers, {
    'x-forwarded-for': '6.6.6.6, 203.0.113.9, 127.0.0.2',
    'x-forwarded-proto': 'https',
  })
  const { Forwarded } = SAID
  const rfc = await ask(httpPort, { Forwarded }, '/', PROXY)
  const told = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'public.test' }
  t.match(rfc.seen?.headers, told)
  const moved = { status: 301, location: 'https://acts.test/moved' }
  t.match(await ask(httpPort, SAID, '/moved'), moved)
  t.match(await ask(httpPort, { 'X-Forwarded-Proto': 'http' }, '/moved', PROXY), moved)
  const forHttp = { ...SAID, 'X-Forwarded-Proto': 'http' }
  const there = { status: 301, location: 'https://public.test/moved' }
  t.match(await ask(httpPort, forHttp, '/moved', PROXY), there)
  t.equal((await ask(httpPort, SAID, '/moved', PROXY)).status, 200, 'where it leads already')
  t.match((await ask(httpPort, { 'X-Forwarded-Host': 'a/b' }, '/', PROXY)).seen?.headers, {
    'x-forwarded-host': 'acts.test',
  })
}

/**
 * A prefix is a border: what an application may read as another path is refused, in a user's
 * server too.
 */
async function borders(t: Test, { gateway }: Attacked): Promise<void> {
  const across = [
    ...['/closed/../y', '/closed/..%2fy', '/closed/%2e%2e/y', '/closed/.%2E/y', '/closed%2f../y'],
    ...['/y/../closed', '/a/..', '/a/..?b', '/a%2F..%2Fclosed', '/a/..;x=1/y', '/a/..%5cy'],
    ...['/headers/../y', '/%2e%2e/y', '//../y', '/a/..\\y', '/y#/../closed', '/a/..#'],
  ]
  for (const [port, host] of [
    [gateway.httpPort, 'acts.test'],
    [gateway.userPort, 'routed.test'],
  ] as const) {
    const ask = (path: string) => sent(port, `GET ${path} HTTP/1.1`, `Host: ${host}`)
    for (const path of across) {
      const { status, seen } = await ask(path)
      t.equal(status, 400, `${host}${path}`)
      t.equal(seen, undefined, path)
    }
    for (const path of ['/a..b/..c/c../...', '/y?z=/../', '/a%20b/%61', '/a%2Fb', '/y/.']) {
      t.match(await ask(path), { status: 200, seen: { url: path } }, host)
    }
    t.equal((await ask('/%63losed/x')).status, 503)
    t.equal((await ask('//closed%2fx')).status, 503)
  }
}

/** What is no host's name is no key of the table. */
async function keys(t: Test, { gateway, api }: Attacked): Promise<void> {
  for (const host of ['tls*secret:443', 'TLS*SECRET', '=gateway', '*', '*.test', 'a+', 'a/1']) {
    const { status, seen } = await sent(gateway.httpPort, 'GET /x HTTP/1.1', `Host: ${host}`)
    t.ok(seen !== undefined || status === 404 || status === 400, `${host}: ${status}`)
  }
  t.same(api.ledger, [])
}

/** No spelling of a header of ours that a client sends reaches an instance beside it. */
async function spellings(t: Test, { gateway }: Attacked): Promise<void> {
  const names = ['X_Real_IP', 'X-Real_IP', 'X_Forwarded_For', 'X-Forwarded_Proto', 'x_sluice_pick']
  const forged = Object.fromEntries([...names, 'X_Forwarded-Host'].map((name) => [name, '6.6.6.6']))
  for (const path of ['/', '/sticky/']) {
    const { json } = await ask({ port: gateway.userPort, path, headers: { ...forged, x_own: 'y' } })
    const { headers } = json as Seen
    t.equal(headers.x_own, 'y')
    t.notMatch(JSON.stringify(headers), /6\.6\.6\.6/, path)
  }
}

/** Only a connection of HTTP/1.1 can change to another protocol. */
async function upgrades(t: Test, { gateway, web }: Attacked): Promise<void> {
  for (const [path, protocol] of [...UPGRADES_OVER_H2, ['/sticky/', 'websocket']] as const) {
    const { length } = web.ledger
    const host = path === '/sticky/' ? 'acts.test' : 'routed.test'
    const asked = upgradingH2(host, path, protocol)
    t.equal(await askH2(gateway.userPort, asked), 'answered', path)
    t.match(web.ledger.slice(length), [{ url: path, headers: { upgrade: undefined } }])
  }
  t.notMatch(gateway.errorLog(), /\[alert\]/)
}

const CLAIMS = { hosts, noHost, proxies, borders, keys, spellings, upgrades }

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const attacked = await startAttacked(t, kind, [`${PROXY}/32`])
    for (const [name, claim] of Object.entries(CLAIMS)) {
      await t.test(name, (t) => claim(t, attacked))
    }
  })
}
