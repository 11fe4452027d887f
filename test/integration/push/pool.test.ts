// nginx and the responder that answers with the pool's members.
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import { POOL_SHARDS } from '../../../contract/servers.js'
import { PoolDns } from '../../../controller/pool/dns-responder.js'
import { shardOf } from '../../../controller/pool/shards.js'
import { silentLogger } from '../../../runtime/logger.js'
import { ask } from '../../../lab/ask.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { startGateway } from '../../../lab/nginx/gateway.js'
import type { Gateway } from '../../../lab/nginx/gateway.js'
import { sidOfAddress } from '../../../controller/state/sid.js'
import { hostUnit, ruledUnit, upstreamUnit } from '../../../lab/nginx/unit-builder.js'
import { until } from '../../../lab/until.js'
import { head, sendRaw } from '../../support/raw-http.js'

t.setTimeout(170_000)

const conf = (port: number): string => `
  server {
    listen 127.0.0.1:${port};
    location = /shard { set $sluice_sid $arg_sid; return 200 $sluice_shard; }
  }`

async function serve(gateway: Gateway, pooled: boolean, ...addresses: string[]): Promise<void> {
  const peers = addresses.map((address, i) => ({ id: `p${i}`, address, pooled }))
  const unit = upstreamUnit('web', peers)
  await gateway.setTable(unit, hostUnit('web.test', [['/', ':web']], unit))
}

t.test('a wide pool has each peer in the shard that its SID names', async (t) => {
  const gateway = await startGateway(t, { kind: 'njs', wide: true, conf })
  const sids = Array.from({ length: 300 }, (_, i) => sidOfAddress(`10.1.0.${i}:80`))
  for (const sid of sids) {
    const { body } = await ask({ port: gateway.userPort, path: `/shard?sid=${sid}` })
    t.equal(body, `sluice_pool_${shardOf(sid, POOL_SHARDS)}`)
  }

  await gateway.responder.stop()
  const log = silentLogger
  const options = { port: gateway.poolPort, shards: POOL_SHARDS, log, onPooled: () => undefined }
  const responder = new PoolDns(options)
  t.teardown(() => responder.close())
  await responder.listen()
  const backends = await Promise.all(['a', 'b', 'c', 'd'].map((id) => startBackend(t, id)))
  const addresses = backends.map(({ address }) => address)
  const real = addresses.map((address) => ({
    host: '127.0.0.1',
    port: Number(address.split(':')[1]),
  }))
  const idle = Array.from({ length: 9990 }, (_, i) => ({
    host: `127.10.${i >> 8}.${i & 255}`,
    port: 9,
  }))
  const members = [...real, ...idle].map(({ host, port }) => {
    return { host, port, sid: sidOfAddress(`${host}:${port}`) }
  })
  responder.setMembers(members)
  await until(() => responder.pooled.size === members.length, { what: '10,000 members' })
  await serve(gateway, true, ...addresses)
  const seen = new Set<string>()
  for (let i = 0; i < 60; i++) {
    const answer = await gateway.ask({ host: 'web.test' })
    t.equal(answer.status, 200)
    seen.add((answer.json as { id: string }).id)
  }
  t.same([...seen].sort(), ['a', 'b', 'c', 'd'])
  t.equal((await gateway.counters()).retried, 0, 'every one by its shard')

  const [address = ''] = addresses
  const limited = { id: 'a', address, pooled: true, maxConns: 1 }
  const unit = ruledUnit('web', [limited], { balance: 'r', capped: true }, { main: ['a'] })
  await gateway.setTable(unit, hostUnit('web.test', [['/', ':web']], unit))
  const lines = ['Content-Length: 2', 'Expect: 100-continue', 'Connection: close']
  const upload = sendRaw(t, gateway.httpPort, head('web.test', '/', ...lines))
  t.equal(await upload.first(), '100', 'its body is asked for')
  t.equal((await gateway.ask({ host: 'web.test' })).status, 200, 'and takes no place meanwhile')
  upload.socket.write('12')
  await until(() => upload.text().includes('HTTP/1.1 200'))
  t.notMatch(gateway.errorLog(), /memory exhausted|\[(emerg|alert|crit)\]/)
})

for (const wide of [false, true]) {
  t.test(`under load, the table ahead of the pool${wide ? ', wide' : ''}`, async (t) => {
    const gateway = await startGateway(t, { kind: 'njs', wide })
    const backends = await Promise.all(['a', 'b', 'c'].map((id) => startBackend(t, id)))
    const addresses = backends.map(({ address }) => address)
    let isOver = false
    const statuses = new Map<number, number>()
    const drive = async (method: string): Promise<void> => {
      while (!isOver) {
        const body = method === 'POST' ? 'body' : ''
        const { status } = await gateway.ask({ host: 'web.test', method, ...(body && { body }) })
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      }
    }
    await serve(gateway, false, ...addresses)
    const load = Promise.all(['GET', 'POST', 'GET', 'POST'].map(drive))
    for (const pooled of [true, false, true, false]) {
      // What is said of the pool is wrong half of the time: a retry, never a request.
      await serve(gateway, pooled, ...addresses.slice(pooled ? 1 : 0), ...addresses.slice(0, 1))
      const before = statuses.get(200) ?? 0
      await until(() => (statuses.get(200) ?? 0) > before + 100)
    }
    isOver = true
    await load
    t.same([...statuses.keys()], [200])
  })
}

t.test('a peer that left is not asked again, and its idle connections end', async (t) => {
  const gateway = await startGateway(t, { kind: 'njs' })
  const sockets = new Set<Socket>()
  let asked = 0
  const gone = createServer((_, response) => {
    asked += 1
    response.end('{"id":"gone"}')
  })
  // It would hang up itself before nginx does.
  gone.keepAliveTimeout = 0
  gone.on('connection', (socket) => {
    sockets.add(socket.on('close', () => sockets.delete(socket)))
  })
  await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void gone.close())
  const address = `127.0.0.1:${(gone.address() as AddressInfo).port}`
  const stays = await startBackend(t, 'stays')
  await gateway.fillPool(address, stays.address)
  await serve(gateway, true, address)
  await Promise.all(Array.from({ length: 8 }, () => gateway.ask({ host: 'web.test' })))
  t.ok(sockets.size > 0, 'connections to it are kept')
  await serve(gateway, true, stays.address)
  await gateway.fillPool(stays.address)
  const before = asked
  for (let i = 0; i < 50; i++) {
    t.match(await gateway.ask({ host: 'web.test' }), { json: { id: 'stays' } })
  }
  t.equal(asked, before)
  await until(() => sockets.size === 0, { deadlineMs: 60_000, what: 'the end of idle connections' })
})
