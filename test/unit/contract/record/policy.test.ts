/** The guard of policies. */
import fc from 'fast-check'
import t from 'tap'
import { guardPolicy } from '../../../../contract/record/policy.js'
import { parseEntry, parseRules, printEntry, printRules } from '../../../../contract/table/rules.js'
import type { Rules } from '../../../../contract/table/rules.js'
import { NO_RULES } from '../../../../lab/nginx/no-rules.js'

t.test('a part that is given gets its defaults, and only it', async (t) => {
  t.same(guardPolicy({}), { ok: true, value: { balance: 'random' } })
  t.same(guardPolicy({ balance: 'hash', hash: { key: 'header:X-User' } }), {
    ok: true,
    value: { balance: 'hash', hash: { key: 'header:x-user' } },
  })
  const cookie = { name: 'sluice', path: '/', secure: false, httpOnly: true, sameSite: 'lax' }
  t.same(guardPolicy({ sticky: { by: 'cookie' } }), {
    ok: true,
    value: { balance: 'random', sticky: { by: 'cookie', ...cookie, keepDraining: false } },
  })
  t.same(guardPolicy({ retry: { statuses: [503] } }), {
    ok: true,
    value: {
      balance: 'random',
      retry: { tries: 8, timeoutMs: 0, statuses: [503], nonIdempotent: false },
    },
  })
  t.match(guardPolicy({ eject: {} }), { value: { eject: { maxFails: 3, failTimeoutMs: 10_000 } } })
  t.match(guardPolicy({ check: { type: 'tcp' } }), { value: { check: { type: 'tcp', fall: 3 } } })
})

t.test('what is wrong is named by field', async (t) => {
  const cases: Array<[unknown, string]> = [
    [null, ''],
    [[], ''],
    [{ colour: 1 }, 'colour'],
    [{ balance: 'fair' }, 'balance'],
    [{ balance: 'hash' }, 'hash'],
    [{ hash: { key: 'uri' } }, 'hash'],
    [{ balance: 'hash', hash: {} }, 'hash.key'],
    [{ balance: 'hash', hash: { key: 'body' } }, 'hash.key'],
    [{ balance: 'hash', hash: { key: 'header:a b' } }, 'hash.key'],
    [{ balance: 'hash', hash: { key: 'uri', loadPercent: 100 } }, 'hash.loadPercent'],
    [{ sticky: {} }, 'sticky.by'],
    [{ sticky: { by: 'ip' } }, 'sticky.by'],
    [{ sticky: { by: 'route' } }, 'sticky.key'],
    [{ sticky: { by: 'route', key: 'uri', name: 'x' } }, 'sticky.name'],
    [{ sticky: { by: 'cookie', name: 'a;b' } }, 'sticky.name'],
    [{ sticky: { by: 'cookie', path: '/a;x=y' } }, 'sticky.path'],
    [{ sticky: { by: 'cookie', sameSite: 'none' } }, 'sticky.secure'],
    [{ retry: { tries: 0 } }, 'retry.tries'],
    [{ retry: { statuses: [404] } }, 'retry.statuses'],
    [{ retry: { statuses: [503, 503] } }, 'retry.statuses'],
    [{ retry: { statuses: ['503'] } }, 'retry.statuses'],
    [{ retry: { budgetPercent: 0 } }, 'retry.budgetPercent'],
    [{ eject: { maxFails: -1 } }, 'eject.maxFails'],
    [{ eject: { panicPercent: 100 } }, 'eject.panicPercent'],
    [{ check: { type: 'ping' } }, 'check.type'],
    [{ slowStartMs: -1 }, 'slowStartMs'],
    [{ zone: 'mine' }, 'zone'],
  ]
  for (const [value, field] of cases) {
    const checked = guardPolicy(value)
    t.equal(checked.ok ? null : checked.field, field, JSON.stringify(value))
  }
})

t.test('no input makes the guard throw, and what passes passes again', async () => {
  const parts = ['hash', 'sticky', 'retry', 'eject', 'check', 'slowStartMs', 'zone', 'balance']
  const value = fc.dictionary(fc.constantFrom(...parts), fc.anything())
  fc.assert(
    fc.property(fc.oneof(fc.anything(), value), (input) => {
      const checked = guardPolicy(input)
      return !checked.ok || guardPolicy(checked.value).ok
    }),
  )
})

t.test('rules and entries are read as they were written', async (t) => {
  const rules: Rules = {
    balance: 'h',
    count: 4999,
    spill: 2,
    backups: 1,
    key: 'header:x-user',
    weights: 17,
    loadPercent: 125,
    sticky: 'cookie:sluice',
    capped: true,
    measured: false,
    tries: 3,
    timeoutMs: 1500,
    statuses: 31,
    nonIdempotent: true,
    budgetPercent: 20,
    trial: `3${'a'.repeat(32)}`,
    tls: 'verified:shop.internal',
    protocol: 'grpc',
    kept: true,
  }
  t.same(parseRules(`16 ${printRules(rules)}`), rules)
  const none = { ...rules, key: '', sticky: '', trial: '', tls: '', protocol: '' }
  t.same(parseRules(`1 ${printRules(none)}`), none)
  t.equal(parseRules('16'), null)
  // What is read for each request says no more than it has to.
  t.equal(printRules({ ...NO_RULES, count: 3 }), 'w 3 0')
  t.same(parseRules('1 w 3 0'), { ...NO_RULES, count: 3 })
  const entry = { sid: 'b'.repeat(32), weight: 1000, maxConns: 65535 }
  t.same(parseEntry(`${printEntry({ ...entry, weight: 1 })}${printEntry(entry)}`, 41), entry)
})
