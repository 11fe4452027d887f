/** The members of nginx's pool, and the answers of DNS. */
import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { connect } from 'node:net'
import dns from 'dns-packet'
import fc from 'fast-check'
import t from 'tap'
import { sidOf } from '../../../../controller/state/sid.js'
import { bisectCount } from '../../../../controller/push/in-flight.js'
import {
  answersFor,
  MOST_MEMBERS,
  PoolProgress,
  selectMembers,
} from '../../../../controller/pool/pool.js'
import type { Member } from '../../../../controller/pool/pool.js'
import { PoolDns } from '../../../../controller/pool/dns-responder.js'
import type { PoolDnsOptions } from '../../../../controller/pool/dns-responder.js'
import { PoolParts, shardOf } from '../../../../controller/pool/shards.js'
import { POOL_SHARDS } from '../../../../contract/servers.js'
import { silentLogger } from '../../../../runtime/logger.js'

const serviceOf = (part: number): string => `_http._tcp.p${part}.pool.sluice`
const SERVICE = serviceOf(0)
const member = (host: string, port: number): Member => ({ sid: sidOf(host, port), host, port })

/** What nginx makes of the answers. */
function peersOf(answers: ReturnType<typeof answersFor>): string[] {
  const all = answers.services.flatMap(({ port, target }) =>
    (answers.targets.get(target) ?? []).map((host) => `${host}:${port}`),
  )
  return all.sort()
}

t.test('the answers name the members and nobody else', async (t) => {
  const members = fc.uniqueArray(
    fc.record({ last: fc.integer({ min: 1, max: 9 }), port: fc.integer({ min: 80, max: 90 }) }),
    { selector: ({ last, port }) => `${last}:${port}` },
  )
  fc.assert(
    fc.property(members, (list) => {
      const all = list.map(({ last, port }) => member(`10.0.0.${last}`, port))
      const answers = answersFor(all)
      const wanted = all.map(({ host, port }) => `${host}:${port}`)
      t.same(peersOf(answers), wanted.length === 0 ? ['127.0.0.1:9'] : wanted.sort())
      t.same([...answers.sids.values()].flat().sort(), all.map(({ sid }) => sid).sort())
    }),
  )
  const shared = answersFor(
    [80, 81, 82].flatMap((port) => ['10.0.0.1', '10.0.0.2'].map((host) => member(host, port))),
  )
  t.equal(shared.targets.size, 1, 'ports with the same addresses share a target')
})

t.test('members are IPv4 and bounded', async (t) => {
  const many = Array.from({ length: 2000 }, (_, i) => member('10.0.0.1', i + 1))
  t.equal(selectMembers([...many, member('fd00::7', 1)]).length, MOST_MEMBERS)
  t.same(selectMembers([...many].reverse()), selectMembers(many))
})

t.test('a member is pooled once nginx asked for all of it and began anew', async (t) => {
  const it = new PoolProgress()
  t.equal(it.answers, undefined)
  t.notOk(it.serviceAsked())
  const [a, b] = [member('10.0.0.1', 80), member('10.0.0.2', 81)]
  it.setMembers([a, b])
  const [first, second] = it.answers?.services.map(({ target }) => target) as [string, string]
  it.serviceAsked()
  it.targetAsked(first)
  t.same([...it.pooled], [])
  t.ok(it.serviceAsked())
  t.same([...it.pooled], [a.sid])
  const same = it.pooled
  it.targetAsked(first)
  it.targetAsked(second)
  it.setMembers([b, member('10.0.0.3', 82)])
  t.same([...it.pooled], [])
  t.same(it.targetAsked(first), ['10.0.0.1'], 'an answer given shortly before still counts')
  t.ok(it.serviceAsked())
  t.same([...it.pooled], [b.sid], 'asked for before the change, and still there')
  t.not(it.pooled, same)
  t.ok(it.forget())
  t.notOk(it.forget())
})

t.test('over UDP, over TCP when it is long, and never empty', async (t) => {
  let pooled = 0
  const responder = new PoolDns({ port: 0, log: silentLogger, onPooled: () => pooled++ })
  const port = await responder.listen()
  t.teardown(() => responder.close())
  const resolver = new Resolver({ timeout: 2000, tries: 1 })
  resolver.setServers([`127.0.0.1:${port}`])
  await t.rejects(resolver.resolveSrv(SERVICE), { code: 'ESERVFAIL' }, 'nothing is known yet')
  responder.setMembers([])
  t.match(await resolver.resolveSrv(SERVICE), [{ port: 9 }])

  responder.setMembers([member('10.0.0.1', 80), member('10.0.0.2', 80)])
  const [srv] = await resolver.resolveSrv(SERVICE)
  t.same((await resolver.resolve4(srv?.name ?? '')).sort(), ['10.0.0.1', '10.0.0.2'])
  await resolver.resolveSrv(SERVICE)
  t.equal(responder.pooled.size, 2)
  t.equal(pooled, 1)
  await t.rejects(resolver.resolve4('h0123456789ab.p0.pool.sluice'), { code: 'ESERVFAIL' })
  await t.rejects(resolver.resolve4('other.pool.sluice'), { code: 'EREFUSED' })
  await t.rejects(resolver.resolveSrv(serviceOf(1)), { code: 'EREFUSED' }, 'no such shard')
  await t.rejects(resolver.resolve4('example.test'), { code: 'EREFUSED' })
  await t.rejects(resolver.resolve6(srv?.name ?? ''), { code: 'EREFUSED' })

  const ports = Array.from({ length: MOST_MEMBERS }, (_, i) => member('10.0.0.1', i + 1))
  responder.setMembers(ports)
  t.equal((await resolver.resolveSrv(SERVICE)).length, MOST_MEMBERS)
  responder.setMembers(ports.map((_, i) => member(`10.0.${i >> 8}.${i & 255}`, i + 1)))
  t.equal((await resolver.resolveSrv(SERVICE)).length, MOST_MEMBERS, 'with a target for each')
})

t.test('garbage is left alone, and questions over TCP may come in pieces', async (t) => {
  const responder = new PoolDns({ port: 0, log: silentLogger, onPooled: () => undefined })
  const port = await responder.listen()
  t.teardown(() => responder.close())
  responder.setMembers([member('10.0.0.1', 80)])
  const udp = createSocket('udp4')
  await new Promise((resolve) => udp.send(Buffer.from('garbage'), port, '127.0.0.1', resolve))
  udp.close()
  const question = dns.streamEncode({
    type: 'query',
    id: 7,
    questions: [{ type: 'SRV', name: SERVICE }],
  })
  const socket = connect(port, '127.0.0.1')
  socket.write(question.subarray(0, 5))
  await new Promise((resolve) => setImmediate(resolve))
  socket.write(Buffer.concat([question.subarray(5), question]))
  let got = Buffer.alloc(0)
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      got = Buffer.concat([got, chunk])
      if (got.length >= 2 * (2 + got.readUInt16BE(0))) {
        resolve()
      }
    })
  })
  socket.destroy()
  t.equal(dns.streamDecode(got).answers?.length, 1)
})

t.test('nothing that is sent makes it throw or fall silent', async (t) => {
  const responder = new PoolDns({ port: 0, log: silentLogger, onPooled: () => undefined })
  const port = await responder.listen()
  t.teardown(() => responder.close())
  responder.setMembers([member('10.0.0.1', 80)])
  const udp = createSocket('udp4')
  t.teardown(() => void udp.close())
  const question = dns.encode({ type: 'query', id: 7, questions: [{ type: 'SRV', name: SERVICE }] })
  const nasty = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    // A question with some bytes changed, or cut short.
    fc
      .tuple(fc.nat(question.length - 1), fc.nat(255), fc.nat(question.length))
      .map(([at, byte, end]) =>
        Buffer.from(question)
          .fill(byte, at, at + 1)
          .subarray(0, end),
      ),
  )
  for (const bytes of fc.sample(nasty, 300)) {
    await new Promise((resolve) => udp.send(bytes, port, '127.0.0.1', resolve))
    const socket = connect(port, '127.0.0.1').on('error', () => undefined)
    socket.end(Buffer.concat([Buffer.from([0, bytes.length & 0xff]), bytes]))
  }
  const resolver = new Resolver({ timeout: 2000, tries: 2 })
  resolver.setServers([`127.0.0.1:${port}`])
  t.match(await resolver.resolveSrv(SERVICE), [{ port: 80 }])
})

t.test('a port that is taken is an error, and closing is safe at any time', async (t) => {
  const [one, two] = [0, 1].map(() => ({ log: silentLogger, onPooled: () => undefined }))
  const first = new PoolDns({ port: 0, ...one } as PoolDnsOptions)
  const port = await first.listen()
  const second = new PoolDns({ port, ...two } as PoolDnsOptions)
  await t.rejects(second.listen(), { code: 'EADDRINUSE' })
  await second.close()
  await first.close()
  await first.close()
  t.equal(await second.listen(), port, 'and it may be tried again')
  await second.close()
})

t.test('shards share the members, and each is pooled by itself', async (t) => {
  const parts = new PoolParts(POOL_SHARDS)
  const all = Array.from({ length: 10_000 }, (_, i) => member(`10.0.${i >> 8}.${i & 255}`, 80))
  parts.setMembers(all)
  const none = parts.pooled
  const ask = (shard: number): void => {
    const part = parts.ofService(serviceOf(shard))
    part?.serviceAsked()
    for (const { target } of part?.answers?.services ?? []) {
      parts.ofTarget(target)?.targetAsked(target)
    }
    part?.serviceAsked()
  }
  ask(3)
  t.not(parts.pooled, none)
  t.same(
    [...parts.pooled].sort(),
    all
      .map(({ sid }) => sid)
      .filter((sid) => shardOf(sid, POOL_SHARDS) === 3)
      .sort(),
  )
  for (let shard = 0; shard < POOL_SHARDS; shard++) {
    ask(shard)
  }
  t.equal(parts.pooled.size, 10_000)
  const same = parts.pooled
  parts.setMembers(all)
  t.equal(parts.pooled, same)
  t.equal(parts.ofService(serviceOf(16)), undefined)
})

t.test('a number is found by few questions, exact up to 64', async (t) => {
  for (const count of [0, 1, 2, 3, 31, 63, 64, 100, 5000, 100_000]) {
    let asked = 0
    const found = await bisectCount(async (limit) => {
      asked++
      return count >= limit
    })
    t.ok(
      count <= 64
        ? found === count
        : found >= 64 && found <= count && found * 2 > Math.min(count, 32_768),
    )
    t.ok(asked <= 12)
  }
})

t.test('who asks over TCP and does not read is not listened to', async (t) => {
  const responder = new PoolDns({ port: 0, log: silentLogger, onPooled: () => undefined })
  const port = await responder.listen()
  t.teardown(() => responder.close())
  responder.setMembers(Array.from({ length: MOST_MEMBERS }, (_, i) => member('10.0.0.1', i + 1)))
  const question = dns.streamEncode({
    type: 'query',
    id: 7,
    questions: [{ type: 'SRV', name: SERVICE }],
  })
  const asked = 2000
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  const before = process.memoryUsage().arrayBuffers
  socket.pause()
  await new Promise((resolve) =>
    socket.write(Buffer.concat(Array.from({ length: asked }, () => question)), resolve),
  )
  const resolver = new Resolver()
  resolver.setServers([`127.0.0.1:${port}`])
  t.equal((await resolver.resolveSrv(SERVICE)).length, MOST_MEMBERS, 'others are answered')
  const grownMb = (process.memoryUsage().arrayBuffers - before) / 1024 / 1024
  t.ok(grownMb < 30, `${grownMb.toFixed()} MB of answers wait`)

  let bytes = 0
  let first: number | undefined
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      first ??= 2 + chunk.readUInt16BE(0)
      bytes += chunk.length
      if (bytes >= asked * first) {
        resolve()
      }
    })
    socket.resume()
  })
  t.equal(bytes, asked * (first ?? 0), 'and all of it comes to who reads')
})

t.test('what is only taken for pooled is said', async (t) => {
  const progress = new PoolProgress()
  const [a, b] = [member('10.0.0.1', 80), member('10.0.0.2', 80)]
  progress.setMembers([a, b])
  t.notOk(progress.isAssumed(a.sid))
  progress.assume()
  t.ok(progress.isAssumed(a.sid))
  t.notOk(progress.isAssumed('other'))
  progress.serviceAsked()
  t.ok(progress.isAssumed(a.sid), 'the answer is still on its way')
  progress.answers?.targets.forEach((_, target) => progress.targetAsked(target))
  progress.serviceAsked()
  t.ok(progress.pooled.has(a.sid))
  t.notOk(progress.isAssumed(a.sid))
  progress.assume()
  progress.forget()
  t.notOk(progress.isAssumed(a.sid))
})
