// Directives of the user's own beside the include: on the way through the hop they do what they do
// on the way to the pool. The hop stands between for sessions, routes that act, and second tries.
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createH2 } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { ask } from '../../../lab/ask.js'
import type { Answer } from '../../../lab/ask.js'
import { startGateway } from '../../../lab/nginx/gateway.js'
import type { Gateway } from '../../../lab/nginx/gateway.js'
import { ruledUnit, upstreamUnit } from '../../../lab/nginx/unit-builder.js'
import { routeUnits } from '../../support/route-units.js'
import { sendRaw } from '../../support/raw-http.js'

t.setTimeout(120_000)

/** What a location has, what it is asked, and what of the answer it changes. */
const EFFECTS: Array<[directives: string, path: string, effect: (answer: Answer) => unknown]> = [
  ['proxy_set_header X-Mine 1;', '', ({ json }) => sentHeader(json, 'x-mine')],
  ['proxy_set_header TE trailers;', '', ({ json }) => sentHeader(json, 'te')],
  ['proxy_method PUT;', '', ({ json }) => (json as Echo).method],
  ['proxy_set_body "not yours";', '', ({ json }) => (json as Echo).body],
  ['proxy_pass_request_headers off;', '', ({ json }) => sentHeader(json, 'x-asked')],
  ['proxy_pass_request_body off; proxy_set_header Content-Length "";', '', bodyOf],
  ['proxy_hide_header X-Own;', '', ({ headers }) => headers['x-own']],
  ['proxy_pass_header Server;', '', ({ headers }) => headers.server],
  ['proxy_cookie_path /own /other;', '', cookieOf],
  ['proxy_cookie_domain own.test other.test;', '', cookieOf],
  ['proxy_cookie_flags own httponly;', '', cookieOf],
  ['proxy_redirect http://own.test/ http://other.test/;', '', ({ headers }) => headers.location],
  ['proxy_force_ranges on;', '', ({ status, body }) => [status, body.length]],
  ['proxy_intercept_errors on; error_page 503 =200 /empty;', '?503', ({ status }) => status],
  [
    'proxy_cache own; proxy_cache_valid 1m; proxy_cache_methods POST; proxy_ignore_headers Set-Cookie;',
    '',
    serialOf,
  ],
]

interface Echo {
  method: string
  body: string
  headers: Record<string, string>
}

function sentHeader(json: unknown, name: string): unknown {
  return (json as Echo).headers[name]
}

function bodyOf({ json }: Answer): unknown {
  return (json as Echo).body
}

function cookieOf({ headers }: Answer): unknown {
  return headers['set-cookie']
}

/** Whether the same answer came once more. */
const seen = new Set<unknown>()
function serialOf({ headers }: Answer): unknown {
  const wasSeen = seen.has(headers['x-serial'])
  seen.add(headers['x-serial'])
  return wasSeen
}

const WAYS = ['plain', 'hop', 'ruled', 'two']

/** `trailers`: what stands where trailers are to pass. */
function conf(port: number, trailers: string): string {
  const location = (path: string, upstream: string, more: string) =>
    `location ${path} { set $sluice_upstream ${upstream}; ${more} include "$HOME/sluice/proxy.conf"; }`
  const locations = EFFECTS.flatMap(([directives], i) =>
    ['plain', 'hop'].map((way) => location(`/${way}/${i}/`, way, directives)),
  )
  const ways = WAYS.flatMap((way) => [
    location(`/${way}/`, way, ''),
    location(`/sum/${way}/`, way, trailers),
  ])
  return `
  proxy_cache_path "$HOME/temp/proxy/own" keys_zone=own:1m;
  server {
    listen 127.0.0.1:${port};
    location = /empty { return 200 ""; }
    ${[...ways, ...locations].join('\n    ')}
  }
  server {
    listen 127.0.0.1:${port};
    server_name acting.test;
    ${trailers}
    include "$HOME/sluice/server.conf";
  }`
}

let serial = 0

/** Says what it was asked, and counts its answers. At `?sum` a trailer follows. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  let body = ''
  request.setEncoding('latin1').on('data', (chunk: string) => (body += chunk))
  request.on('end', () => {
    const isSummed = request.url?.includes('?sum') === true
    const { method, headers } = request
    const text = JSON.stringify({ method, body, headers })
    response.writeHead(request.url?.includes('?503') === true ? 503 : 200, {
      Server: 'own',
      'X-Own': 'own',
      'X-Serial': String((serial += 1)),
      'Set-Cookie': 'own=1; Path=/own; Domain=own.test',
      Location: 'http://own.test/x',
      ...(isSummed ? { Trailer: 'X-Sum' } : { 'Content-Length': String(text.length) }),
    })
    response.write(text)
    if (isSummed) {
      response.addTrailers({ 'X-Sum': '7' })
    }
    response.end()
  })
}

async function listening(t: Test, server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function started(t: Test, kind: 'njs' | 'stable'): Promise<Gateway> {
  const trailers = kind === 'njs' ? 'proxy_pass_trailers on;' : ''
  const gateway = await startGateway(t, { kind, conf: (port) => conf(port, trailers) })
  const plain = await listening(t, createServer(answer))
  const hop = await listening(t, createServer(answer))
  const two = createH2((request, response) =>
    answer(request as unknown as IncomingMessage, response as unknown as ServerResponse),
  )
  const peers = [{ id: 'a', address: hop }]
  // Another one is up, so the answer of the first is judged.
  const both = [...peers, { id: 'b', address: await listening(t, createServer(answer)) }]
  const overH2 = [{ id: 'a', address: await listening(t, two) }]
  await gateway.fillPool(plain)
  await gateway.setTable(
    upstreamUnit('plain', [{ id: 'a', address: plain, pooled: gateway.pool }]),
    upstreamUnit('hop', peers),
    ruledUnit('ruled', both, { balance: 'r', statuses: 2 }, { main: ['a'] }),
    ruledUnit('two', overH2, { balance: 'r', protocol: 'h2' }, { main: ['a'] }),
    ...routeUnits('acting', ':hop', { rewrite: { replacePrefix: '/own' } }),
  )
  return gateway
}

async function sameByHop(t: Test, { userPort: port }: Gateway): Promise<void> {
  const question = { port, method: 'POST', body: 'mine', host: 'own.test' }
  const headers = { 'X-Asked': '1', Range: 'bytes=0-1' }
  for (const [i, [directives, path, effect]] of EFFECTS.entries()) {
    const found = async (place: string) => {
      const asked = { ...question, headers, path: `/${place}/${path}` }
      const first = effect(await ask(asked))
      let next = effect(await ask(asked))
      // nginx may keep an answer a moment after the client has it.
      for (let more = 0; effect === serialOf && next === false && more < 20; more++) {
        next = effect(await ask(asked))
      }
      return [first, next]
    }
    const plain = await found(`plain/${i}`)
    t.strictNotSame(plain, await found('plain'), `${directives} does something`)
    t.strictSame(await found(`hop/${i}`), plain, directives)
  }
}

async function trailersPass(t: Test, { userPort }: Gateway): Promise<void> {
  const answerOf = async (path: string, host = 'own.test') => {
    const request = `GET ${path}?sum HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
    const sent = sendRaw(t, userPort, request)
    await new Promise((resolve) => sent.socket.once('close', resolve))
    return sent.text()
  }
  for (const way of WAYS) {
    t.match(await answerOf(`/sum/${way}/`), /\r\n0\r\nX-Sum: 7\r\n/i, way)
    t.match(await answerOf(`/${way}/`), /\r\n0\r\n\r\n/, `${way}, where nobody asked for them`)
  }
  t.match(await answerOf('/', 'acting.test'), /\r\n0\r\nX-Sum: 7\r\n/i, 'a route that acts')
}

for (const kind of ['njs', 'stable'] as const) {
  t.test(`${kind}: what is set beside the include holds by the hop, too`, async (t) => {
    const gateway = await started(t, kind)
    await sameByHop(t, gateway)
    if (kind === 'njs') {
      // Older nginx knows none.
      await trailersPass(t, gateway)
    }
  })
}
