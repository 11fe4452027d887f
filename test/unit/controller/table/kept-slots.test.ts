/** What the table says of upstreams whose peers nginx keeps connected over TLS or HTTP/2. */
import t from 'tap'
import { isTableValue } from '../../../../contract/table/table.js'
import type { Certificate } from '../../../../controller/state/certificate.js'
import type { Desired, DesiredUpstream } from '../../../../controller/state/desired.js'
import { sidOf } from '../../../../controller/state/sid.js'
import { Compiler } from '../../../../controller/table/compiler.js'
import type { OtherPools } from '../../../../controller/table/nginx-pools.js'
import { silentLogger } from '../../../../runtime/logger.js'
import { readLines, readRules } from '../../../support/reader.js'

const NONE: ReadonlySet<string> = new Set()
const [A, B] = [sidOf('10.0.0.1', 1), sidOf('10.0.0.1', 2)]
const TLS = { verify: true, serverName: 'shop.internal' }

function desiredOf(more: Partial<DesiredUpstream>, text?: string): Desired {
  const instances = ['a', 'b'].map((id, i) => {
    const record = { host: '10.0.0.1', port: i + 1, weight: 1, state: 'up' as const }
    return { id, record, override: undefined, suspect: undefined, revision: 1 }
  })
  const all = new Map(instances.map((each) => [each.id, each]))
  const policy = { balance: 'random' } as const
  const shop: DesiredUpstream = { name: 'shop', policy, revision: 1, instances: all, ...more }
  const record = { hosts: ['shop.test'], pathPrefix: '/', upstream: 'shop' }
  const pem = { certificate: text, privateKey: 'key', client: true }
  const gateway = { id: 'gateway', revision: 1, names: [], record: pem }
  return {
    revision: 1,
    upstreams: new Map([['shop', shop]]),
    routes: new Map([['r', { id: 'r', record, revision: 1 }]]),
    streamRoutes: new Map(),
    certificates: new Map(
      text === undefined ? [] : [['gateway', gateway as unknown as Certificate & typeof gateway]],
    ),
  }
}

/** The table where nginx keeps connections to these, in the way of the upstream. */
function compile(desired: Desired, kept: string[], it = new Compiler([], silentLogger)) {
  it.update(desired, NONE)
  const way = it.members().kept[0]?.way ?? ''
  const others: OtherPools = {
    kept: new Map(kept.map((sid) => [sid, way])),
    grpc: new Set(kept),
  }
  it.update(desired, NONE, undefined, others)
  const entries = it.units.get(':shop')?.entries ?? new Map<string, string>()
  const host = it.units.get('@shop.test')?.entries ?? new Map<string, string>()
  const slots = [...entries].filter(([key]) => /^:shop\/\d+$/.test(key))
  const pooled = readLines(entries, ':shop').filter((line) => line.pooled)
  t.ok([...entries].every(([key, value]) => isTableValue(key, value)))
  return { it, others, slots, host, pooled: pooled.map(({ sid }) => sid), entries }
}

t.test('a slot says who is asked, and how, once nginx has all of its peers', async (t) => {
  const none = compile(desiredOf({ tls: TLS }), [])
  t.same([none.slots, none.pooled], [[], []])
  const some = compile(desiredOf({ tls: TLS }), [A])
  t.same(new Set(some.slots.map(([, value]) => value)), new Set([`%${A} _tls shop.internal`]))
  t.equal(some.slots.length, 25)
  t.match(readRules(some.entries, ':shop'), { kept: false, balance: 'w' })
  const all = compile(desiredOf({ tls: TLS }), [A, B])
  t.equal(all.slots.length, 50)
  t.same([...all.pooled].sort(), [A, B].sort())
  t.match(readRules(all.entries, ':shop'), { kept: true })
  t.equal(all.host.get('@shop.test/7'), all.entries.get(':shop/7'))
})

t.test('each way has locations of its own', async (t) => {
  const wayOf = (more: Partial<DesiredUpstream>, text?: string) =>
    compile(desiredOf(more, text), [A, B]).slots[0]?.[1].slice(33)
  t.equal(wayOf({ tls: { verify: false } }), ' _tls_any ')
  t.equal(wayOf({ protocol: 'h2' }), ' _h2 ')
  t.equal(wayOf({ protocol: 'h2', tls: TLS }), ' _h2_tls shop.internal')
  t.equal(wayOf({ protocol: 'grpc' }), ' _grpc ')
  t.equal(wayOf({ protocol: 'grpc', tls: TLS }), undefined, 'the hop asks')
  const shown = { tls: { ...TLS, certificate: 'gateway' } }
  t.equal(wayOf(shown, 'text'), ' _tls_shown shop.internal gateway')
  t.equal(wayOf(shown), undefined, 'a certificate that is not there')
})

t.test('what asks for more than a draw has no such slots', async (t) => {
  const round = compile(desiredOf({ tls: TLS, policy: { balance: 'roundRobin' } }), [A, B])
  t.same(round.slots, [])
  t.match(readRules(round.entries, ':shop'), { kept: true, balance: 'r' })
})

t.test('another way takes them away at once, and so does another certificate', async (t) => {
  const shown = { tls: { ...TLS, certificate: 'gateway' } }
  const { it, others } = compile(desiredOf(shown, 'text'), [A, B])
  const slotsOf = (): string[] =>
    [...(it.units.get(':shop')?.entries.keys() ?? [])].filter((key) => key.includes('/'))
  t.equal(slotsOf().length, 50)
  it.update(desiredOf(shown, 'renewed'), NONE, undefined, others)
  t.same(slotsOf(), [])
  it.update(desiredOf(shown, 'text'), NONE, undefined, others)
  t.equal(slotsOf().length, 50)
  it.update(
    desiredOf({ tls: { verify: true, serverName: 'else.internal' } }),
    NONE,
    undefined,
    others,
  )
  t.same(slotsOf(), [])
})
