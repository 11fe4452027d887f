// Names of services, asked by Node's resolver and packet by packet.
import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import packet from 'dns-packet'
import type { DecodedPacket } from 'dns-packet'
import t from 'tap'
import { ServiceDns } from '../../../controller/service-dns/service-dns.js'
import { silentLogger } from '../../../runtime/logger.js'
import { freePort } from '../../../lab/ports.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'
import { startControl } from '../../support/control.js'

t.test('services are found by name, and nothing else is answered', async (t) => {
  const control = await startControl(temporaryFolder(t, 'dns'))
  const port = await freePort()
  const dns = new ServiceDns({
    ...{ addresses: [{ host: '127.0.0.1', port }], zone: 'dc1.consul', log: silentLogger },
    desired: () => control.desired(),
    conditionsOf: (upstream) => control.conditionsOf(upstream),
  })
  await dns.listen()
  t.teardown(async () => {
    dns.close()
    await control.close()
  })
  const put = (key: string, value: object) =>
    control.registry.commit([{ type: 'put', key, value: JSON.stringify(value) }])
  await put('instances/web/one', { host: '10.0.0.1', port: 8080, weight: 7 })
  await put('instances/web/two', { host: '10.0.0.2', port: 8081 })
  await put('instances/web/six', { host: 'fd00::6', port: 80 })
  await put('instances/web/gone', { host: '10.0.0.4', port: 80, state: 'draining' })
  await put('instances/web/spare', { host: '10.0.0.5', port: 80, backup: true })
  for (let i = 0; i < 60; i++) {
    await put(`instances/many/i${i}`, { host: `10.1.0.${i}`, port: 80 })
  }
  await until(() => control.desired().upstreams.get('many')?.instances.size === 60)
  const resolver = new Resolver({ timeout: 2000, tries: 2 })
  resolver.setServers([`127.0.0.1:${port}`])
  const raw = async (question: object, more: object = {}): Promise<DecodedPacket> => {
    const socket = createSocket('udp4')
    const answered = new Promise<Buffer>((resolve) => socket.once('message', resolve))
    const asked = packet.encode({ type: 'query', id: 7, questions: [question as never], ...more })
    socket.send(Buffer.from('no DNS'), port, '127.0.0.1')
    socket.send(asked, port, '127.0.0.1')
    const reply = await answered
    socket.close()
    t.ok(reply.length <= 1232)
    return packet.decode(reply)
  }

  t.same((await resolver.resolve4('web.service.dc1.consul')).sort(), ['10.0.0.1', '10.0.0.2'])
  t.same(await resolver.resolve6('WEB.service.dc1.consul'), ['fd00::6'])
  t.same(await resolver.resolve4('one.web.service.dc1.consul'), ['10.0.0.1'])
  const services = await resolver.resolveSrv('web.service.dc1.consul')
  const found = services.find(({ port: at }) => at === 8080)
  t.match(found, { name: '0a000001.addr.dc1.consul', weight: 7 })
  t.equal(services.length, 3)
  t.same(await resolver.resolve4(found?.name ?? ''), ['10.0.0.1'])
  await t.rejects(resolver.resolve4('none.service.dc1.consul'), { code: 'ENOTFOUND' })
  await t.rejects(resolver.resolve4('gone.web.service.dc1.consul'), { code: 'ENODATA' })
  await t.rejects(resolver.resolve4('example.com'), { code: 'EREFUSED' })
  t.equal((await resolver.resolve4('many.service.dc1.consul')).length, 60, 'over TCP')

  const many = { type: 'A', name: 'many.service.dc1.consul' }
  const small = await raw(many)
  t.ok(small.flag_tc && small.flag_aa)
  const opt = { type: 'OPT', name: '.', udpPayloadSize: 4096 }
  const large = await raw(many, { additionals: [opt as never] })
  const counts = [small.answers?.length ?? 0, large.answers?.length ?? 0]
  t.ok(large.flag_tc && counts[0]! > 5 && counts[1]! > counts[0]!, counts.join())
  const missing = await raw({ type: 'A', name: 'none.service.dc1.consul' })
  t.match(missing.authorities, [{ type: 'SOA', name: 'dc1.consul', ttl: 5 }])

  const socket = createSocket('udp4')
  let answers = 0
  socket.on('message', () => answers++)
  const beganAtMs = performance.now()
  for (let i = 0; i < 3000; i++) {
    const asked = packet.encode({ type: 'query', id: i, questions: [many as never] })
    await new Promise((resolve) => socket.send(asked, port, '127.0.0.1', resolve))
    await new Promise(setImmediate)
  }
  const seconds = Math.ceil((performance.now() - beganAtMs) / 1000) + 1
  const isAnswered = () => resolver.resolve4('web.service.dc1.consul').then(Boolean, () => false)
  await until(isAnswered, { what: 'answers after the flood' })
  socket.close()
  t.ok(answers > 0 && answers <= 500 * seconds, `${answers} of 3000 in ${seconds} s`)

  const again = new ServiceDns({
    ...{ addresses: [{ host: '127.0.0.1', port }], zone: 'x', log: silentLogger },
    desired: () => control.desired(),
    conditionsOf: (upstream) => control.conditionsOf(upstream),
  })
  await t.rejects(again.listen(), { message: /SLUICE_DNS: 127\.0\.0\.1:\d+: .*EADDRINUSE/ })
})
