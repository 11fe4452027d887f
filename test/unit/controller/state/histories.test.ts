/**
 * Random histories of a registry, cut into random batches with listings between: whatever comes
 * together, what is served in the end is what the registry holds.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { State } from '../../../../controller/state/state.js'
import type { Change, RegistryEntry } from '../../../../registry/registry.js'
import type { Logger } from '../../../../runtime/logger.js'

const RUNS = 400

const quiet = (): void => undefined
const log = { debug: quiet, info: quiet, warn: quiet, error: quiet } as unknown as Logger

/** Numbers below what is asked for, from a list that goes round. */
function randomOf(numbers: number[]): (below: number) => number {
  let at = 0
  return (below) => (numbers[at++ % numbers.length] ?? 0) % below
}

class History {
  readonly entries = new Map<string, RegistryEntry>()
  readonly #random: (below: number) => number
  #revision = 0

  constructor(random: (below: number) => number) {
    this.#random = random
  }

  get revision(): number {
    return this.#revision
  }

  listing(): { revision: number; entries: RegistryEntry[] } {
    return { revision: this.#revision, entries: [...this.entries.values()] }
  }

  step(): Change {
    const random = this.#random
    const key = `instances/u${random(3)}/i${random(4)}`
    const revision = ++this.#revision
    const there = this.entries.get(key)
    if (there === undefined || random(3) === 0) {
      const lease = random(2) === 0 ? {} : { ttlMs: 9000 }
      const mark = there !== undefined && random(4) === 0 ? { gone: true } : {}
      const record = { host: '10.0.0.7', port: 1000 + random(9), ...lease, ...mark }
      const entry = { key, value: JSON.stringify(record), revision }
      this.entries.set(key, entry)
      return { type: 'put', ...entry }
    }
    this.entries.delete(key)
    const isMeant = !there.value.includes('ttlMs') || there.value.includes('gone')
    const expired = isMeant ? false : ([true, false, undefined] as const)[random(3)]
    return { type: 'delete', key, revision, expired }
  }

  /** What is to be served: all that is there and not about to go. */
  wanted(): string[] {
    const served = [...this.entries.values()].filter(({ value }) => !value.includes('gone'))
    return served.map(({ key, revision }) => `${key} ${revision}`).sort()
  }
}

function makeState(): State {
  return new State({
    policy: { allowLoopback: false },
    isOwn: () => false,
    log,
    onRejected: quiet,
    suspects: { holdMs: 60_000, windowMs: 15_000, now: () => 0 },
    onEvent: quiet,
    onBelieved: quiet,
  })
}

function served(state: State): string[] {
  return [...state.desired().upstreams.values()]
    .flatMap(({ name, instances }) =>
      [...instances.values()].map(({ id, revision }) => `instances/${name}/${id} ${revision}`),
    )
    .sort()
}

function run(numbers: number[]): { state: State; history: History } {
  const random = randomOf(numbers)
  const history = new History(random)
  const state = makeState()
  state.onListing(history.listing(), false)
  for (let step = 0; step < numbers.length / 3;) {
    const batch = Array.from({ length: 1 + random(8) }, () => history.step())
    step += batch.length
    if (random(6) === 0) {
      state.onListing(history.listing(), false)
    } else {
      state.onChanges(batch, history.revision)
    }
  }
  return { state, history }
}

t.test('random histories end as the registry does', async (t) => {
  const numbers = fc.array(fc.nat(), { minLength: 1, maxLength: 300, size: 'max' })
  fc.assert(
    fc.property(numbers, (given) => {
      const { state, history } = run(given)
      // What is held is believed now; nothing that is there may go with it.
      state.confirm()
      assert.deepEqual(served(state), history.wanted())
      state.beginAudit()
      assert.deepEqual(state.endAudit(history.listing()), [])
      state.close()
    }),
    { numRuns: RUNS },
  )
  t.pass(`${RUNS} histories`)
})
