/** How a split stands in the table. */
import t from 'tap'
import {
  armAt,
  armFor,
  parseSplit,
  printSplit,
  upstreamsIn,
} from '../../../../contract/table/split-record.js'
import type { WeightedArm, SplitRecord } from '../../../../contract/table/split-record.js'
import { isTableValue } from '../../../../contract/table/table.js'

const CLIENTS = Array.from({ length: 20_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`)

function parts(weights: Record<string, number>): WeightedArm[] {
  return Object.entries(weights).map(([name, weight]) => ({ upstream: `:${name}`, weight }))
}

function all(weights: Record<string, number>, seed = 's'): string[] {
  return CLIENTS.map((client) => armFor(parts(weights), seed, client).slice(1))
}

const count = (list: string[], name: string) => list.filter((one) => one === name).length

t.test('a record is read as it was printed', async (t) => {
  const whole: SplitRecord = {
    upstreams: [':api', ':web'],
    stick: { seed: 'x.1', source: 'cookie:arm', attributes: '; Path=/; SameSite=Lax' },
    forced: [{ upstream: ':web', conditions: 'request_method=GET PUT\tcookie_on' }],
    arms: parts({ web: 9, api: 1 }),
  }
  const hashed = { ...whole, stick: { seed: 's', source: 'header:x-user', attributes: '' } }
  for (const one of [whole, hashed, { ...whole, stick: null, forced: [], arms: [] }]) {
    const text = printSplit(one)
    t.same(parseSplit(text), one)
    t.same(upstreamsIn(text), one.upstreams)
    t.ok(isTableValue('~canary', `01234567 ${text}`))
  }
})

t.test('each part has what its weight says, of clients whose texts are much alike', async (t) => {
  for (const weights of [
    { a: 1, b: 1 },
    { a: 1, b: 9 },
    { a: 1, b: 99 },
    { a: 5, b: 3, c: 2 },
  ]) {
    const list = all(weights)
    const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0)
    for (const [name, weight] of Object.entries(weights)) {
      const due = weight / total
      const off = Math.abs(count(list, name) - CLIENTS.length * due)
      t.ok(off < 5 * Math.sqrt(CLIENTS.length * due * (1 - due)), `${name} of ${total}: ${off}`)
    }
  }
})

t.test('a change moves only those whom a part gains or loses', async (t) => {
  const before = all({ a: 10, b: 45, c: 45 })
  const grown = all({ a: 20, b: 45, c: 45 })
  before.forEach((arm, i) => {
    if (grown[i] !== arm && grown[i] !== 'a') {
      t.fail(`${CLIENTS[i]}: ${arm} to ${grown[i]}`)
    }
  })
  t.ok(count(grown, 'a') > count(before, 'a'))
  const gone = all({ b: 45, c: 45 })
  before.forEach((arm, i) => {
    if (arm !== 'a' && gone[i] !== arm) {
      t.fail(`${CLIENTS[i]}: ${arm} to ${gone[i]}`)
    }
  })
  t.ok(before.every((arm, i) => arm !== 'a' || gone[i] !== undefined))
  const dealt = all({ a: 10, b: 45, c: 45 }, 'other')
  t.ok(before.filter((arm, i) => dealt[i] === arm).length < CLIENTS.length * 0.6, 'another seed')
  t.same(all({ c: 45, a: 10, b: 45 }), before, 'their order says nothing')
})

t.test('a draw falls to each part as its weight says; nobody is nobody', async (t) => {
  const three = parts({ a: 1, b: 2, c: 1 })
  const at = [0, 0.24, 0.25, 0.74, 0.75, 0.99999].map((draw) => armAt(three, draw))
  t.same(at, [':a', ':a', ':b', ':b', ':c', ':c'])
  t.same([armAt([], 0.5), armFor([], 's', 'x')], ['', ''])
})
