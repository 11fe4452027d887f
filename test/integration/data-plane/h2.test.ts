// HTTP/2 to instances: a real server of it, a real nginx, all rigs. An nginx that cannot says so.
import { createHash } from 'node:crypto'
import t from 'tap'
import { refusingAddress } from '../../../lab/backends/backend.js'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import { GATEWAY_KINDS, startGateway } from '../../../lab/nginx/gateway.js'
import { startH2 } from '../../../lab/backends/h2-backend.js'
import type { H2Echo } from '../../../lab/backends/h2-backend.js'
import { rawAsk, readRaw } from '../../../lab/raw-ask.js'
import { hostUnit, ruledUnit } from '../../../lab/nginx/unit-builder.js'
import { temporaryFolder } from '../../../lab/temp.js'

t.setTimeout(170_000)

const HOST = 'two.test'
const ours = await makeAuthority(temporaryFolder(t, 'ca'))
const right = await ours.issue(['two.internal'])

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, { kind, trustedCa: ours.pem })
    const [a, b] = await Promise.all([startH2(t, 'a'), startH2(t, 'b')])
    const secure = await startH2(t, 'secure', right)
    const serve = (peers: Array<{ id: string; address: string }>, more = {}) =>
      gateway.setTable(
        ruledUnit(
          'two',
          peers,
          { balance: 'r', protocol: 'h2', ...more },
          { main: peers.map(({ id }) => id) },
        ),
        hostUnit(HOST, [['/', ':two']]),
      )
    const ask = (more = {}) => gateway.ask({ host: HOST, ...more })
    await serve([a])
    if (kind === 'stable') {
      const { status, body } = await ask()
      t.equal(status, 502)
      t.equal(body, '502 Upstream two speaks HTTP/2, for which nginx here is too old\n')
      return
    }

    t.test('a request and its body', async (t) => {
      const body = 'x'.repeat(100_000)
      const headers = { Connection: 'keep-alive, Upgrade', Upgrade: 'websocket', 'X-Own': 'mine' }
      for (const chunkBytes of [undefined, 10_000]) {
        const more = chunkBytes === undefined ? {} : { chunkBytes }
        const { status, json } = await ask({ method: 'POST', path: '/a%20b?c', body, ...more })
        t.equal(status, 200)
        t.equal((json as H2Echo).digest, createHash('sha256').update(body).digest('hex'))
        t.match((json as H2Echo).headers, { ':path': '/a%20b?c', host: HOST })
      }
      const echo = (await ask({ headers })).json as H2Echo
      t.match(echo.headers, { 'x-own': 'mine', 'x-sluice-pick': undefined, upgrade: undefined })
    })

    t.test('no header of a connection reaches an instance, nor ejects it', async (t) => {
      const names = ['Proxy-Connection', 'Keep-Alive', 'HTTP2-Settings', 'TE', 'X-Own']
      const sent = names.map((name) => `${name}: trailers, own`).join('\r\n')
      const text = `GET / HTTP/1.1\r\nHost: ${HOST}\r\n${sent}\r\nConnection: close\r\n\r\n`
      for (let i = 0; i < 7; i++) {
        const { status, json } = readRaw(await rawAsk(gateway.httpPort, text))
        t.equal(status, 200)
        const got = Object.keys((json as H2Echo).headers)
        t.same(
          names.filter((name) => got.includes(name.toLowerCase())),
          ['X-Own'],
        )
      }
    })

    t.test('one that refuses, and answers that are tried again', async (t) => {
      await serve([{ id: 'dead', address: await refusingAddress() }, b])
      for (let i = 0; i < 4; i++) {
        t.equal(((await ask()).json as H2Echo).id, 'b')
      }
      await serve([a, b], { statuses: 8 })
      const { retried: before = 0 } = await gateway.counters()
      for (const [status, tries] of [
        [503, 2],
        [502, 1],
      ] as const) {
        const from = a.requests() + b.requests()
        t.match(await ask({ path: `/?status=${status}` }), { status, json: { id: /^[ab]$/ } })
        t.equal(a.requests() + b.requests(), from + tries, `${status}`)
      }
      t.equal((await gateway.counters()).retried, before + 1)
    })

    t.test('over TLS only the instance that is verified serves', async (t) => {
      for (const tls of ['verified:two.internal', 'any:']) {
        await serve([secure], { tls })
        t.equal(((await ask()).json as H2Echo).id, 'secure', tls)
      }
      await serve([secure], { tls: 'verified:else.internal' })
      t.equal((await ask()).status, 502)
    })
  })
}
