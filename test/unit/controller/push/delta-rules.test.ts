/** The order of a delta that changes rules. */
import fc from 'fast-check'
import t from 'tap'
import { guardPolicy } from '../../../../contract/record/policy.js'
import type { Operation } from '../../../../contract/push.js'
import { Width, indexBucket } from '../../../../contract/table/table.js'
import { compileUpstream } from '../../../../controller/table/compiled-upstream.js'
import { unitOfUpstream } from '../../../../controller/table/upstream-unit.js'
import type { Unit } from '../../../../controller/table/unit.js'
import type { Condition } from '../../../../controller/state/conditions.js'
import { makeParts, makePartsForFull } from '../../../../controller/push/delta.js'
import type { DeltaPart } from '../../../../controller/push/delta.js'
import type { DesiredInstance } from '../../../../controller/state/desired.js'
import { TableMirror } from '../../../../controller/push/table-mirror.js'
import { readLines, readLists, readRules, sidsIn } from '../../../support/reader.js'

const POLICIES = [
  {},
  { retry: { tries: 2 } },
  { balance: 'roundRobin' },
  { balance: 'leastConn', sticky: { by: 'cookie' } },
  { sticky: { by: 'cookie', keepDraining: true } },
  { sticky: { by: 'route', key: 'cookie:node', keepDraining: true } },
  { balance: 'hash', hash: { key: 'uri' } },
]

interface State {
  policy: number
  /** What each instance is; further ones are not there. */
  instances: Array<'up' | 'down' | 'drained' | 'backup' | 'gone' | 'out' | 'trial' | 'warm'>
  /** Added to all ports: other processes under the same ids. */
  moved: boolean
}

const CONDITIONS: Record<string, Condition> = {
  out: { state: 'down' },
  trial: { state: 'down', trial: 2 },
  warm: { state: 'up', share: 0.4 },
}

function unitOf(name: string, { policy, instances, moved }: State): Unit {
  const checked = guardPolicy(POLICIES[policy])
  if (!checked.ok) {
    throw new Error(checked.message)
  }
  const made = new Map<string, DesiredInstance>()
  const conditions = new Map<string, Condition>()
  instances.forEach((what, i) => {
    const port = i + 1 + (moved ? 1000 : 0)
    const record = {
      ...{ host: name === 'web' ? '10.0.0.1' : '10.0.0.2', port, weight: 1 + (i % 3) },
      state: what === 'down' ? ('down' as const) : ('up' as const),
      ...(what === 'backup' && { backup: true as const }),
    }
    const override = what === 'drained' ? { drain: true as const, atMs: 1 } : undefined
    const id = `i${i}`
    if (what !== 'gone') {
      made.set(id, { id, record, override, suspect: undefined, revision: 1 })
    }
    const condition = CONDITIONS[what]
    if (condition !== undefined) {
      conditions.set(id, condition)
    }
  })
  const upstream = { name, policy: checked.value, revision: 1, instances: made }
  return unitOfUpstream(compileUpstream(upstream, undefined, conditions), new Set())
}

const what = fc.constantFrom(
  ...(['up', 'up', 'up', 'down', 'drained', 'backup', 'gone', 'out', 'trial', 'warm'] as const),
)
const state: fc.Arbitrary<State> = fc.record({
  policy: fc.nat(POLICIES.length - 1),
  instances: fc.oneof(
    fc.array(what, { maxLength: 8 }),
    fc.array(what, { minLength: 10, maxLength: 60 }),
  ),
  moved: fc.boolean(),
})
/** Two upstreams; one may be missing. */
const whole = fc.record({ web: state, api: fc.option(state, { nil: undefined }) })
type Whole = { web: State; api: State | undefined }

function unitsOf({ web, api }: Whole): Map<string, Unit> {
  const units = [unitOf('web', web), ...(api === undefined ? [] : [unitOf('api', api)])]
  return new Map(units.map((unit) => [unit.name, unit]))
}

function tableOf(units: Map<string, Unit>): Map<string, string> {
  const table = new Map<string, string>()
  const names = new Map<number, string[]>()
  for (const { name, entries } of units.values()) {
    entries.forEach((value, key) => table.set(key, value))
    names.set(indexBucket(name), [...(names.get(indexBucket(name)) ?? []), name].sort())
  }
  names.forEach((list, bucket) => table.set(`#${bucket}`, list.join('\n')))
  return table
}

/**
 * Everybody that a request for this upstream may get, whatever it draws and whatever its session
 * says.
 */
function reachable(table: ReadonlyMap<string, string>, unit: string): Set<string> {
  const found = new Set<string>()
  const rules = readRules(table, unit)
  if (rules !== undefined && rules.balance !== 'n') {
    const { main, spill } = readLists(table, unit)
    ;[...main, ...spill].forEach(({ sid }) => found.add(sid))
    if (rules.trial !== '') {
      found.add(rules.trial.slice(1))
    }
  } else if (table.has(unit)) {
    const slots = [...table].filter(([key]) => key.startsWith(`${unit}/`))
    slots.flatMap(([, value]) => sidsIn(value)).forEach((sid) => found.add(sid))
  }
  const sessions = [...table].filter(([key]) => key.startsWith(`${unit}$`) && key !== `${unit}$`)
  sessions.forEach(([, value]) => found.add(value.slice(0, 32)))
  return found
}

function checkSubset(found: Set<string>, ...allowed: Array<Set<string>>): void {
  for (const sid of found) {
    if (!allowed.some((set) => set.has(sid))) {
      throw new Error(`${sid} is a stranger`)
    }
  }
}

function bucketsIn(table: ReadonlyMap<string, string>, unit: string): number {
  return parseInt(table.get(unit)?.slice(Width.Digest) ?? '0', 10)
}

/**
 * Where a peer has limits, nobody else is asked for one without a line. While the number of buckets
 * changes, there may be such.
 */
function checkLines(table: ReadonlyMap<string, string>, unit: string): void {
  const lines = new Set(readLines(table, unit).map(({ sid }) => sid))
  checkSubset(reachable(table, unit), lines)
}

function apply(table: Map<string, string>, [key, value]: Operation): void {
  if (value === null) {
    table.delete(key)
  } else {
    table.set(key, value)
  }
}

const read = (table: Map<string, string>) => async (keys: string[]) =>
  keys.map((key) => table.get(key) ?? null)

async function partsTo(
  table: Map<string, string>,
  after: Map<string, Unit>,
  make = makeParts,
): Promise<Operation[][]> {
  const mirror = new TableMirror()
  const stale = await mirror.compare(read(table), after)
  return make(mirror.changes(stale, after), (bucket) => mirror.namesIn(bucket))
}

/** A part for each operation. */
const makeSingles: typeof makeParts = (changes, namesIn) => makeParts(changes, namesIn, 1)

/** Applies a delta operation by operation, and looks after each. */
async function walk(
  table: Map<string, string>,
  after: Map<string, Unit>,
  make: typeof makeParts,
): Promise<void> {
  const now = tableOf(after)
  const before = new Map([...after.keys()].map((unit) => [unit, bucketsIn(table, unit)]))
  // An upstream that goes as a whole loses its lists before its record, so it is not looked at.
  const allowed = new Map(
    [...after.keys()].map((unit) => [unit, [reachable(table, unit), reachable(now, unit)]]),
  )
  for (const operation of (await partsTo(table, after, make)).flat()) {
    apply(table, operation)
    allowed.forEach((sets, unit) => {
      checkSubset(reachable(table, unit), ...sets)
      const isLeft = reachable(now, unit).size > 0
      if (isLeft && before.get(unit) === bucketsIn(now, unit)) {
        checkLines(table, unit)
      }
    })
  }
  if (JSON.stringify([...table].sort()) !== JSON.stringify([...now].sort())) {
    throw new Error('it did not arrive')
  }
}

t.test('after every operation: only peers of before or after, and no hole', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(whole, { minLength: 2, maxLength: 4 }),
      fc.boolean(),
      async ([first, ...rest], isParted) => {
        const table = tableOf(unitsOf(first as Whole))
        for (const next of rest) {
          await walk(table, unitsOf(next), isParted ? makeSingles : makeParts)
        }
      },
    ),
    { numRuns: 15, interruptAfterTimeLimit: 20_000 },
  )
})

t.test('whoever a list or a session names has a line', async () => {
  fc.assert(
    fc.property(state, (one) => {
      const table = tableOf(new Map([[':web', unitOf('web', one)]]))
      const lines = new Set(readLines(table, ':web').map(({ sid }) => sid))
      checkSubset(reachable(table, ':web'), lines)
    }),
    { numRuns: 100 },
  )
})

t.test('half of a delta, then another state: nothing of the past is left', async () => {
  await fc.assert(
    fc.asyncProperty(whole, whole, whole, fc.nat(), fc.nat(), async (a, b, c, cut, again) => {
      const [first, second, third] = [unitsOf(a), unitsOf(b), unitsOf(c)]
      const table = tableOf(first)
      for (const [units, most] of [
        [second, cut],
        [third, again],
        [third, undefined],
      ] as const) {
        const parts = await partsTo(table, units, makeSingles)
        const sent = most === undefined ? parts : parts.slice(0, most % (parts.length + 1))
        sent.flat().forEach((operation) => apply(table, operation))
      }
      const wanted = tableOf(third)
      const keys = new Set([...table.keys(), ...wanted.keys()])
      const wrong = [...keys].filter((key) => table.get(key) !== wanted.get(key))
      if (wrong.length > 0) {
        throw new Error(`wrong: ${wrong.join(' ')}`)
      }
    }),
    { numRuns: 150, interruptAfterTimeLimit: 20_000 },
  )
})

/** SIDs that have an instance that is up. */
function upIn(table: ReadonlyMap<string, string>, unit: string): Set<string> {
  const up = readLines(table, unit).filter((peer) => peer.up)
  return new Set(up.map(({ sid }) => sid))
}

t.test('a full table takes what withdraws, whatever else it refuses', async (t) => {
  let withdrawals = 0
  await fc.assert(
    fc.asyncProperty(whole, whole, async (a, b) => {
      const [before, after] = [unitsOf(a), unitsOf(b)]
      const wanted = tableOf(after)
      const table = tableOf(before)
      const parts: DeltaPart[] = []
      await partsTo(table, after, (changes, namesIn) => {
        parts.push(...makePartsForFull(changes, namesIn))
        return []
      })
      for (const { operations } of parts.filter((part) => !part.grows)) {
        operations.forEach((operation) => apply(table, operation))
      }
      for (const name of before.keys()) {
        checkSubset(reachable(table, name), upIn(wanted, name), reachable(wanted, name))
      }
      withdrawals += parts.some((part) => part.grows) ? 1 : 0
      for (const { operations } of parts.filter((part) => part.grows)) {
        operations.forEach((operation) => apply(table, operation))
      }
      const [found, all] = [table, wanted].map((each) => JSON.stringify([...each].sort()))
      if (found !== all) {
        throw new Error('it did not arrive')
      }
    }),
    { numRuns: 150, interruptAfterTimeLimit: 20_000 },
  )
  t.ok(withdrawals > 0)
})
