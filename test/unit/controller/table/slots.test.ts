/** The slots of an upstream. */
import fc from 'fast-check'
import t from 'tap'
import { isTableKey, isTableValue } from '../../../../contract/table/table.js'
import { SHARES, SLOTS } from '../../../../contract/table/limits.js'
import { sidOfAddress } from '../../../../controller/state/sid.js'
import { apportion, layOut } from '../../../../controller/table/slots.js'
import { DRAWS } from '../../../../contract/table/limits.js'
import type { Layout, Weighted } from '../../../../controller/table/slots.js'
import { drawSid } from '../../../../njs/table/lookup.js'

const sid = (name: string | number) => sidOfAddress(String(name))
const peers = (n: number, weight: (i: number) => number = () => 1): Weighted[] =>
  Array.from({ length: n }, (_, i) => ({ sid: sid(i), weight: weight(i) }))

/**
 * What each peer gets when every slot and share is drawn once, read the way the data plane reads
 * it.
 */
function drawn(layout: Layout): Map<string, number> {
  const got = new Map<string, number>()
  const dict = { get: (key: string) => layout.get(key.slice(2)) }
  for (let slot = 0; slot < SLOTS; slot++) {
    const key = `:x/${slot}`
    const value = layout.get(`/${slot}`) ?? ''
    for (let share = 0; share < SHARES; share++) {
      const found = drawSid(dict as never, key, value, share)
      got.set(found, (got.get(found) ?? 0) + 1)
    }
  }
  return got
}

function worst(all: Weighted[], layout: Layout): number {
  const got = drawn(layout)
  const sum = all.reduce((total, peer) => total + peer.weight, 0)
  return Math.max(
    ...all.map((peer) => {
      const due = (DRAWS * peer.weight) / sum
      return Math.abs((got.get(peer.sid) ?? 0) - due) / due
    }),
  )
}

t.test('equal weights: within 1 % up to 400 peers', async (t) => {
  for (const n of [1, 2, 3, 7, 49, 50, 51, 99, 351, 375, 399, 400]) {
    const all = peers(n)
    t.ok(worst(all, layOut(all)) <= 0.01, `${n} peers`)
  }
})

t.test('equal weights: within 5 % above that, up to where a share is 5 % itself', async (t) => {
  for (const n of [401, 425, 650, 749, 751, 800, 999, 1000, 1001, 1250, 1999]) {
    const all = peers(n)
    const layout = layOut(all)
    const error = worst(all, layout)
    t.ok(error <= 0.05, `${n} peers: ${error}`)
    t.comment(`${n} peers: ${layout.size} keys, ${(error * 100).toFixed(2)} %`)
  }
})

t.test('above that everybody still gets something, and about the same', async (t) => {
  for (const n of [5000, 20_000]) {
    const all = peers(n)
    const got = drawn(layOut(all))
    t.equal(got.size, n)
    const counts = [...got.values()]
    t.ok(Math.max(...counts) - Math.min(...counts) <= 2)
  }
  t.equal(drawn(layOut(peers(60_000))).size <= DRAWS, true)
})

t.test('weights 1:2:5 are kept within 0.2 %', async (t) => {
  const all = [1, 2, 5].map((weight, i) => ({ sid: sid(i), weight }))
  t.ok(worst(all, layOut(all)) <= 0.002)
})

t.test('a tiny weight beside a huge one still gets its share', async (t) => {
  const all = peers(301, (i) => (i === 0 ? 1000 : 1))
  t.ok(worst(all, layOut(all)) <= 0.05)
  const rare = [...peers(100, () => 1000), { sid: sid('rare'), weight: 1 }]
  t.equal(drawn(layOut(rare)).get(sid('rare')), 1)
})

t.test(
  'any weights: keys and values that the table takes, whole shares, whatever the order',
  async (t) => {
    const weights = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 900 })
    fc.assert(
      fc.property(weights, fc.infiniteStream(fc.nat()), (list, order) => {
        const all = list.map((weight, i) => ({ sid: sid(i), weight }))
        const layout = layOut(all)
        for (const [key, value] of layout) {
          if (!isTableKey(`:x${key}`) || !isTableValue(`:x${key}`, value)) {
            throw new Error(`${key} ${value}`)
          }
        }
        const sum = list.reduce((total, weight) => total + weight, 0)
        const got = drawn(layout)
        for (const peer of all) {
          const due = (DRAWS * peer.weight) / sum
          const off = Math.abs((got.get(peer.sid) ?? 0) - due)
          if (off > Math.max(2, due * 0.075)) {
            throw new Error(`off by ${off} of ${due}`)
          }
        }
        const keys = new Map(all.map((peer) => [peer.sid, order.next().value]))
        const mixed = [...all].sort((a, b) => Number(keys.get(a.sid)) - Number(keys.get(b.sid)))
        t.same([...layOut(mixed)], [...layout])
      }),
      { numRuns: 40 },
    )
  },
)

t.test('apportion is exact in sum and gives everybody something', async () => {
  const weights = fc.array(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), {
    minLength: 1,
    maxLength: 60,
  })
  fc.assert(
    fc.property(weights, fc.integer({ min: 60, max: 50_000 }), (list, total) => {
      const counts = apportion(list, total)
      return counts.reduce((a, b) => a + b, 0) === total && counts.every((count) => count >= 1)
    }),
  )
})
