// ACME HTTP-01: a challenge reaches the client that asked for it, whatever routes and redirects the
// host has.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { actionOf } from '../../../contract/record/route-action.js'
import { guardRoute } from '../../../contract/record/route.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { GATEWAY_KINDS, startGateway } from '../../../lab/nginx/gateway.js'
import {
  actionUnit,
  hostUnit,
  upstreamUnit,
  type Entries,
} from '../../../lab/nginx/unit-builder.js'

t.setTimeout(120_000)

const FOLDER = '/.well-known/acme-challenge'
const TOKEN = 'evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA'
const PROOF = `${TOKEN}.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI`

/** As an ACME client's own server: it has the one token, and nothing else. */
async function startStandalone(t: Test): Promise<string> {
  const server = createServer((request, response) => {
    const isToken = request.url === `${FOLDER}/${TOKEN}`
    response.writeHead(isToken ? 200 : 404).end(isToken ? PROOF : 'no such token')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

function redirectUnits(): Entries[] {
  const checked = guardRoute({ hosts: ['secure.test'], redirect: { scheme: 'https' } })
  if (!checked.ok) {
    throw new Error(`${checked.field} ${checked.message}`)
  }
  const action = actionOf(checked.value)
  if (action === undefined) {
    throw new Error('no redirect')
  }
  return [
    hostUnit('secure.test', [['/', '&secure']]),
    actionUnit('secure', { target: '-', prefix: '/', action }),
  ]
}

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, {
      kind,
      conf: (port) => `server {
        listen 127.0.0.1:${port};
        include "$HOME/sluice/server.conf";
        location ${FOLDER}/ { return 200 "own"; }
      }`,
    })
    const web = await startBackend(t, 'web')
    const standalone = await startStandalone(t)
    await gateway.fillPool(web.address, standalone)
    const pooled = gateway.pool
    const webUnit = upstreamUnit('web', [{ id: 'w1', address: web.address, pooled }])
    const units = [
      webUnit,
      upstreamUnit('acme', [{ id: 'a1', address: standalone, pooled }]),
      hostUnit('app.test', [['/', ':web']], webUnit),
      hostUnit('paths.test', [
        [`${FOLDER}/deeper`, ':web'],
        ['/.well-known', ':web'],
      ]),
      ...redirectUnits(),
    ]
    const asked = async (host: string, path = `${FOLDER}/${TOKEN}`): Promise<string> => {
      const { status, json, body } = await gateway.ask({ host, path })
      return status === 200 ? ((json as { id?: string } | undefined)?.id ?? body) : String(status)
    }

    await t.test('without a route for them the host’s own serve', async (t) => {
      await gateway.setTable(...units, hostUnit('*', [['/', ':acme']]))
      t.equal(await asked('app.test'), 'web')
      t.equal(await asked('paths.test'), 'web')
      t.equal(await asked('secure.test'), '302')
      t.equal(await asked('unknown.test'), PROOF, 'any host’s, as for other paths')
    })

    await t.test('with one they all go there, and nothing else does', async (t) => {
      const any = hostUnit('*', [
        [FOLDER, ':acme'],
        ['/', ':web'],
      ])
      await gateway.setTable(...units, any)
      for (const host of ['app.test', 'paths.test', 'secure.test', 'unknown.test', 'APP.test']) {
        t.equal(await asked(host), PROOF, host)
      }
      t.equal(await asked('app.test', `${FOLDER}/other`), '404', 'the client’s own answer')
      t.equal(await asked('paths.test', `${FOLDER}/deeper/x`), '404', 'not even a longer path')
      t.equal(await asked('app.test', `${FOLDER}s/x`), 'web')
      t.equal(await asked('paths.test', '/.well-known/acme'), 'web')
      t.equal(await asked('secure.test', '/'), '302')
      t.equal(await asked('app.test', '/'), 'web')
    })

    await t.test('when nobody serves them, that is said', async (t) => {
      await gateway.setTable(...units, hostUnit('*', [[FOLDER, ':nobody']]))
      const answer = await gateway.ask({ host: 'app.test', path: `${FOLDER}/${TOKEN}` })
      t.equal(answer.status, 503)
      t.match(answer.body, /nobody/)
      await gateway.setTable(...units)
      const lost = await gateway.ask({ host: 'no.test', path: `${FOLDER}/${TOKEN}` })
      t.equal(lost.status, 404)
      t.match(lost.body, /host no\.test/)
    })

    t.test('a location of the user’s own is taken', async (t) => {
      const { body } = await gateway.ask({
        port: gateway.userPort,
        host: 'app.test',
        path: `${FOLDER}/${TOKEN}`,
      })
      t.equal(body, 'own')
    })
  })
}
