/** The choice of the peer with the fewest connections. */
import t from 'tap'
import { CHUNK_ENTRIES, printEntry } from '../../../../../contract/table/rules.js'
import { leastConn } from '../../../../../njs/choose/policy/least-conn.lazy.js'
import { memoryDict, memoryNumberDict } from '../../../../support/memory-dict.js'
import { NO_RULES } from '../../../../../lab/nginx/no-rules.js'

const DRAWS = 50_000
const sidOf = (index: number): string => String(index).padStart(32, '0')

/** How many of all draws each of idle peers gets, against its part by weight. */
function parts(weights: number[]): number[] {
  const table = memoryDict()
  const load = memoryNumberDict()
  const entries = weights.map((weight, i) => printEntry({ sid: sidOf(i), weight, maxConns: 0 }))
  for (let at = 0; at < entries.length; at += CHUNK_ENTRIES) {
    table.set(`:web%${at / CHUNK_ENTRIES}`, entries.slice(at, at + CHUNK_ENTRIES).join(''))
  }
  const picked = weights.map(() => 0)
  for (let draw = 0; draw < DRAWS; draw++) {
    const entry = leastConn()({
      table,
      load,
      request: { uri: '/', variables: {} },
      upstream: ':web',
      rules: { ...NO_RULES, balance: 'c', count: weights.length },
      session: null,
      number: draw,
      tried: '',
      nowMs: 0,
    })
    const index = Number(entry?.sid)
    picked[index] = (picked[index] ?? 0) + 1
  }
  const sum = weights.reduce((all, weight) => all + weight, 0)
  return picked.map((count, i) => count / ((DRAWS * (weights[i] ?? 0)) / sum))
}

t.test(
  'those with as few in flight share by their weights, over all that nginx may draw',
  async (t) => {
    const equal = [2, 3, 7, 12, 13, 32, 33].map((count) => Array.from({ length: count }, () => 1))
    for (const weights of [...equal, [1, 2, 5], [5, 2, 1], [10, 1], [100, 1, 1]]) {
      const all = parts(weights)
      const what = `${weights.length} peers of weights ${[...new Set(weights)].join(', ')}`
      t.ok(Math.min(...all) > 0.94, `${what}: the least has ${Math.min(...all)}`)
      t.ok(Math.max(...all) < 1.06, `${what}: the most has ${Math.max(...all)}`)
    }
  },
)
