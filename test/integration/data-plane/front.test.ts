// What the front does once for each request, however a location of the user's leads it about, and
// once more after a body.
import { readFileSync, writeFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { join } from 'node:path'
import t from 'tap'
import { ask } from '../../../lab/ask.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { startGateway } from '../../../lab/nginx/gateway.js'
import { sidOfAddress } from '../../../controller/state/sid.js'
import { upstreamUnit } from '../../../lab/nginx/unit-builder.js'

t.setTimeout(120_000)

const conf = (port: number): string => `
  limit_req_zone $server_port zone=once:32k rate=1r/m;
  server {
    listen 127.0.0.1:${port};
    http2 on;
    location / { set $sluice_upstream web; include "$HOME/sluice/proxy.conf"; }
    location /failing/ {
      set $sluice_upstream web;
      include "$HOME/sluice/proxy.conf";
      proxy_intercept_errors on;
      error_page 503 = @other;
    }
    location /limited/ {
      set $sluice_upstream web;
      include "$HOME/sluice/proxy.conf";
      limit_req zone=once;
      error_page 503 = @other;
    }
    location @other { set $sluice_upstream other; include "$HOME/sluice/proxy.conf"; }
  }`

/** Each call of the pick leaves a line in the error log. */
function logPicks(home: string): Promise<void> {
  const file = join(home, 'sluice/njs/front.js')
  const code = readFileSync(file, 'utf8')
  writeFileSync(file, code.replace(/function sid\((\w+)\) \{/, '$&\n$1.error("picked");'))
  return Promise.resolve()
}

for (const kind of ['njs', 'qjs'] as const) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, { kind, conf, prepare: logPicks })
    const [web, other] = [await startBackend(t, 'web'), await startBackend(t, 'other')]
    await gateway.fillPool(web.address, other.address)
    const unitOf = (name: string, address: string) =>
      upstreamUnit(name, [{ id: name, address, pooled: true }])
    await gateway.setTable(unitOf('web', web.address), unitOf('other', other.address))
    const picks = (): number => gateway.errorLog().split('picked').length - 1
    const get = (path: string) => ask({ port: gateway.userPort, path })
    /** How often it is picked while `work` runs. */
    const during = async (work: () => Promise<unknown>): Promise<number> => {
      const before = picks()
      await work()
      return picks() - before
    }

    t.test('a request is picked for once', async (t) => {
      const ten = async (): Promise<void> => {
        for (let i = 0; i < 10; i++) {
          t.match(await get('/'), { json: { id: 'web' } })
        }
      }
      t.equal(await during(ten), 10)
      const twice = async (): Promise<void> => {
        t.match(await get('/failing/?status=503'), { json: { id: 'other' } })
      }
      t.equal(await during(twice), 1, 'where an error page leads, the hop picks')
    })

    t.test('one that is sent on before anybody was picked', async (t) => {
      t.match(await get('/limited/'), { json: { id: 'web' } })
      for (let i = 0; i < 3; i++) {
        t.match(await get('/limited/'), { json: { id: 'other' } })
      }
      t.same(
        [
          await gateway.active(sidOfAddress(web.address)),
          await gateway.active(sidOfAddress(other.address)),
        ],
        [0, 0],
      )
    })

    t.test('a body without a length, by HTTP/2, while its address changes hands', async (t) => {
      const client = connectHttp2(`http://127.0.0.1:${gateway.userPort}`)
      t.teardown(() => client.destroy())
      const upload = client.request({ ':method': 'POST', ':path': '/' })
      upload.write('half')
      await ask({ port: gateway.userPort })
      t.equal(
        await gateway.active(sidOfAddress(web.address)),
        0,
        'nobody is picked before it is here',
      )
      await gateway.setTable(unitOf('web', other.address), unitOf('other', web.address))
      let text = ''
      upload.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      upload.end('half')
      await new Promise((resolve) => upload.once('end', resolve))
      t.match(JSON.parse(text), { id: 'other', bytes: 8 })
    })
  })
}
