/** What a request costs by each policy and kind of route. */
import type { BatchOperation } from '../../lab/load/rig.js'
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { startCheapBackends } from '../rig/cheap-backends.js'
import { COUNTED, CONNECTIONS, applyAll, countGrowth } from '../rig/growth.js'
import type { Grown } from '../rig/growth.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, ratio } from '../report/statistics.js'
import { ensureTracers } from '../trace/tracers.js'
import { ENGINES } from '../rig/sized.js'

const MEMBERS = Array.from({ length: 4 }, (_, n) => `127.8.8.${n + 1}`)
const BATCH = 1000

/**
 * A way that a request may go: its upstreams' policies by name, and the routes that lead its host
 * there.
 */
interface Way {
  what: string
  policies?: Record<string, object>
  routes?: object[]
}

const paths = (count: number, upstream: string): object[] =>
  Array.from({ length: count }, (_, n) => ({ pathPrefix: n === 0 ? '/' : `/path${n}`, upstream }))

const split = (name: string, more = {}): object => ({
  split: [
    { upstream: name, weight: 9 },
    { upstream: 'plain', weight: 1 },
  ],
  ...more,
})

const WAYS: Record<string, Way> = {
  plain: { what: 'random, the default: a host with one route' },
  paths: { what: 'a host with two paths', routes: paths(2, 'plain') },
  condition: {
    what: 'a host with two routes, one for a header',
    routes: [{ upstream: 'plain' }, { upstream: 'plain', headers: { 'x-beta': 'yes' } }],
  },
  split: { what: 'a split 90/10', policies: { split: {} }, routes: [split('split')] },
  kept: {
    what: 'a split 90/10 that clients keep',
    policies: { kept: {} },
    routes: [split('kept', { stick: { by: 'hash', key: 'address' } })],
  },
  turns: { what: '`roundRobin`', policies: { turns: { balance: 'roundRobin' } } },
  least: { what: '`leastConn`', policies: { least: { balance: 'leastConn' } } },
  two: { what: '`randomTwo`', policies: { two: { balance: 'randomTwo' } } },
  times: { what: '`leastTime`', policies: { times: { balance: 'leastTime' } } },
  hash: {
    what: '`hash` of the URI',
    policies: { hash: { balance: 'hash', hash: { key: 'uri' } } },
  },
  sets: {
    what: 'a route that sets a request header',
    routes: [{ upstream: 'plain', requestHeaders: { set: { 'X-A': 'b' } } }],
  },
  strips: {
    what: 'a route that strips a prefix and sets Host',
    routes: [
      { upstream: 'plain', rewrite: { replacePrefix: '/v2' }, upstreamHost: 'internal.test' },
    ],
  },
  dresses: {
    what: 'a route that sets a header of answers',
    routes: [{ upstream: 'plain', responseHeaders: { set: { 'X-A': 'b' } } }],
  },
  limits: {
    what: 'a route with a time limit: its requests pass the inner server (hop)',
    routes: [{ upstream: 'plain', timeouts: { readMs: 60000 } }],
  },
}

export const waysPart: Part = {
  name: 'ways',
  about: 'instructions for a request by each policy and kind of route',
  run,
}

const hostOf = (name: string): string => `${name}.test`

async function run(bench: Bench): Promise<PartResult> {
  const tracers = await ensureTracers((line) => bench.say(line))
  if (tracers === undefined) {
    throw new Error('valgrind cannot run here')
  }
  const { nginx } = await tools()
  const backend = await freePort()
  await startCheapBackends(bench, nginx, MEMBERS, backend)
  const asked = Object.keys(WAYS).map(hostOf)
  const counted: Grown[] = []
  for (const engine of ENGINES) {
    counted.push(
      await countGrowth(bench, tracers, {
        ...{ engine, members: MEMBERS, backend, sizes: [asked.length], asked },
        grow: (rig) => applyAll(rig, operations(backend), BATCH),
      }),
    )
  }
  return finding(counted)
}

function operations(port: number): BatchOperation[] {
  const put = (path: string, body: object): BatchOperation => ({ method: 'PUT', path, body })
  return Object.entries(WAYS).flatMap(
    ([name, { policies = {}, routes = [{ upstream: name }] }]) => [
      ...Object.entries(name === 'plain' ? { plain: {} } : policies).flatMap(
        ([upstream, policy]) => [
          put(`/v1/upstreams/${upstream}`, { policy }),
          ...MEMBERS.map((host, i) =>
            put(`/v1/upstreams/${upstream}/instances/i${i}`, { host, port }),
          ),
        ],
      ),
      ...routes.map((route, i) =>
        put(`/v1/routes/${name}${i}`, { hosts: [hostOf(name)], ...route }),
      ),
    ],
  )
}

function finding(counted: Grown[]): PartResult {
  const names = Object.values(WAYS).map(({ what }) => what)
  const cells = ({ statics: [fixed = NaN], sluice }: Grown, at: number): string[] => {
    const value = sluice[at]?.[0] ?? NaN
    return [count(value), ratio(value / fixed)]
  }
  const statics = counted.flatMap(({ statics: [fixed = NaN] }) => [count(fixed), ''])
  return {
    title: 'What each way of a request costs',
    how:
      `Upstreams of ${MEMBERS.length} instances; instructions of the worker for each of ${COUNTED} requests over ${CONNECTIONS} ` +
      'connections, by callgrind, and against a static upstream of the same nginx:',
    columns: ['', ...ENGINES.flatMap((engine) => [engine, '/ static'])],
    rows: [
      ['a static upstream', ...statics],
      ...names.map((what, at) => [what, ...counted.flatMap((grown) => cells(grown, at))]),
    ],
    notes: [],
    numbers: { ways: names, counted },
  }
}
