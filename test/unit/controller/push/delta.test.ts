/** The delta from one table to another. */
import fc from 'fast-check'
import t from 'tap'
import { parseDelta } from '../../../../contract/push-guard.js'
import type { Operation } from '../../../../contract/push.js'
import { indexBucket } from '../../../../contract/table/table.js'
import { MOST_BODY_BYTES } from '../../../../contract/table/limits.js'
import { compileUpstream } from '../../../../controller/table/compiled-upstream.js'
import { unitOfUpstream } from '../../../../controller/table/upstream-unit.js'
import type { Unit } from '../../../../controller/table/unit.js'
import type { DesiredInstance } from '../../../../controller/state/desired.js'
import { TableMirror } from '../../../../controller/push/table-mirror.js'
import { makeParts, makePartsForFull } from '../../../../controller/push/delta.js'
import { findPeer } from '../../../../njs/table/peers.js'

function unit(name: string, peers: number): Unit {
  const instances = new Map<string, DesiredInstance>()
  for (let i = 0; i < peers; i++) {
    const record = { host: '10.0.0.1', port: i + 1, weight: 1, state: 'up' as const }
    instances.set(`i${i}`, {
      id: `i${i}`,
      record,
      override: undefined,
      suspect: undefined,
      revision: 1,
    })
  }
  const upstream = { name, policy: { balance: 'random' as const }, revision: 1, instances }
  return unitOfUpstream(compileUpstream(upstream), new Set())
}

const made = new Map<string, Unit>()
function cached(name: string, peers: number): Unit {
  const key = `${name} ${peers}`
  const found = made.get(key) ?? unit(name, peers)
  made.set(key, found)
  return found
}

function apply(table: Map<string, string>, operations: Operation[]): void {
  for (const [key, value] of operations) {
    if (value === null) {
      table.delete(key)
    } else {
      table.set(key, value)
    }
  }
}

function whole(units: Iterable<Unit>): Map<string, string> {
  const table = new Map<string, string>()
  const names = new Map<number, string[]>()
  for (const { name, entries } of units) {
    entries.forEach((value, key) => table.set(key, value))
    names.set(indexBucket(name), [...(names.get(indexBucket(name)) ?? []), name].sort())
  }
  names.forEach((list, bucket) => table.set(`#${bucket}`, list.join('\n')))
  return table
}

const read = (table: Map<string, string>) => async (keys: string[]) =>
  keys.map((key) => table.get(key) ?? null)

const NAMES = ['web', 'api', 'db', 'x1', 'x2']
const state = fc.dictionary(fc.constantFrom(...NAMES), fc.constantFrom(0, 1, 3, 16, 17, 40, 900))
const unitsOf = (sizes: Record<string, number>) =>
  new Map(Object.entries(sizes).map(([name, peers]) => [`:${name}`, cached(name, peers)]))

t.test('from any state to any other, by parts that the gateway takes', async (t) => {
  await fc.assert(
    fc.asyncProperty(state, state, fc.boolean(), async (from, to, isFull) => {
      const [before, after] = [unitsOf(from), unitsOf(to)]
      const table = whole(before.values())
      const mirror = new TableMirror()
      const stale = await mirror.compare(read(table), after)
      const changes = mirror.changes(stale, after)
      const namesIn = (bucket: number) => mirror.namesIn(bucket)
      const parts = isFull
        ? makePartsForFull(changes, namesIn).map(({ operations }) => operations)
        : makeParts(changes, namesIn)
      for (const operations of parts) {
        const delta = { epoch: 1, from: 1, to: 1, whole: false, operations }
        const text = JSON.stringify(delta)
        const checked = parseDelta(delta, text)
        if (!checked.ok) {
          throw new Error(`${checked.field} ${checked.message}`)
        }
        if (text.length > MOST_BODY_BYTES / 4) {
          throw new Error('too large')
        }
        apply(table, operations)
      }
      t.same([...table].sort(), [...whole(after.values())].sort())
    }),
    { numRuns: 60 },
  )
})

t.test('what is half written is made whole by the next comparison', async (t) => {
  await fc.assert(
    fc.asyncProperty(state, state, state, fc.nat(), async (a, b, c, cut) => {
      const [first, second, third] = [unitsOf(a), unitsOf(b), unitsOf(c)]
      const table = whole(first.values())
      const mirror = new TableMirror()
      const parts = makeParts(
        mirror.changes(await mirror.compare(read(table), second), second),
        (bucket) => mirror.namesIn(bucket),
      )
      parts.slice(0, cut % (parts.length + 1)).forEach((part) => apply(table, part))
      const again = new TableMirror()
      const rest = makeParts(
        again.changes(await again.compare(read(table), third), third),
        (bucket) => again.namesIn(bucket),
      )
      rest.forEach((part) => apply(table, part))
      t.same([...table].sort(), [...whole(third.values())].sort())
    }),
    { numRuns: 60 },
  )
})

t.test('while a delta is applied, every peer that stays is found', async (t) => {
  for (const [from, to] of [
    [16, 17],
    [17, 16],
    [40, 100],
    [100, 40],
  ] as const) {
    const [before, after] = [cached('web', from), cached('web', to)]
    const table = whole([before])
    const stays = [...compileSids(before)].filter((sid) => compileSids(after).has(sid))
    const parts = makeParts([{ name: ':web', before, after }], () => [':web'])
    for (const operation of parts.flat()) {
      apply(table, [operation])
      for (const sid of stays) {
        if (findPeer(table as never, ':web', sid) === null) {
          throw new Error(`${from} to ${to}: ${sid} after ${operation[0]}`)
        }
      }
    }
    t.pass(`${from} to ${to}`)
  }
})

function compileSids(of: Unit): Set<string> {
  const lines = [...of.entries].filter(([key]) => key.includes('#')).map(([, value]) => value)
  return new Set(lines.flatMap((value) => value.split('\n').map((line) => line.slice(0, 32))))
}

t.test('while a table is filled, nobody comes before who is closer', async (t) => {
  const order = [
    ...['@a.b.test', '@*.b.test', '@*.test', '@a.b.*', '@a.*', '@*'],
    ...['@tls*a.b.test', '@tls**.b.test', '@tls**.test'],
    ...['@9100*a.b.test', '@9100**.b.test', '@9100*', '@tcp*9100'],
  ]
  const changes = [...order].sort().map((name) => {
    const after = { name, entries: new Map([[name, '01234567 / :web']]) }
    return { name, before: undefined, after }
  })
  for (const most of [1, 500]) {
    const written = makeParts(changes, () => [], most).flatMap((part) => part.map(([key]) => key))
    const closer = (first: number, last: number) =>
      order.slice(first, last).map((name) => written.indexOf(name))
    for (const [first, last] of [
      [0, 6],
      [6, 9],
      [9, 13],
    ] as const) {
      const places = closer(first, last)
      t.same(
        places,
        [...places].sort((a, b) => a - b),
        order.slice(first, last).join(' '),
      )
    }
  }
})
