/** What a request costs by each policy and kind of route. */
import type { BatchOperation } from '../../lab/load/rig.js'
import { COUNTED, CONNECTIONS, applyAll, countEngines } from '../rig/growth.js'
import type { Grown } from '../rig/growth.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, ratio } from '../report/statistics.js'
import { ENGINES } from '../rig/sized.js'

const MEMBERS = Array.from({ length: 4 }, (_, n) => `127.8.8.${n + 1}`)
const BATCH = 1000

/** A kind of request: its upstreams' policies by name, and the routes that lead its host there. */
interface RequestKind {
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

const KINDS: Record<string, RequestKind> = {
  plain: { what: 'random, the default: a host with one route' },
  paths: { what: 'a host with two paths', routes: paths(2, 'plain') },
  condition: {
    what: 'a host with two routes, one for a header',
    routes: [{ upstream: 'plain' }, { upstream: 'plain', headers: { 'x-beta': 'yes' } }],
  },
  split: { what: 'a split 90/10', policies: { split: {} }, routes: [split('split')] },
  sticks: {
    what: 'a split 90/10 that clients keep',
    policies: { sticks: {} },
    routes: [split('sticks', { stick: { by: 'hash', key: 'address' } })],
  },
  round: { what: '`roundRobin`', policies: { round: { balance: 'roundRobin' } } },
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
  answers: {
    what: 'a route that sets a header of answers',
    routes: [{ upstream: 'plain', responseHeaders: { set: { 'X-A': 'b' } } }],
  },
  limits: {
    what: 'a route with a time limit: its requests pass the inner server (hop)',
    routes: [{ upstream: 'plain', timeouts: { readMs: 60000 } }],
  },
}

export const requestKindsPart: Part = {
  name: 'request-kinds',
  alias: 'ways',
  about: 'instructions for a request by each policy and kind of route',
  run,
}

const hostOf = (name: string): string => `${name}.test`

async function run(bench: Bench): Promise<PartResult> {
  const asked = Object.keys(KINDS).map(hostOf)
  const counted = await countEngines(bench, MEMBERS, (backend) => ({
    sizes: [asked.length],
    asked,
    isCompiled: true,
    grow: (rig) => applyAll(rig, operations(backend), BATCH),
  }))
  return finding(counted)
}

function operations(port: number): BatchOperation[] {
  const put = (path: string, body: object): BatchOperation => ({ method: 'PUT', path, body })
  return Object.entries(KINDS).flatMap(
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
  const names = Object.values(KINDS).map(({ what }) => what)
  const cells = ({ statics: [fixed = NaN], sluice, compiled }: Grown, at: number): string[] => {
    const [value = NaN, alone = NaN] = [sluice[at]?.[0], compiled[at]]
    return [count(value), ratio(value / fixed), ratio(alone / fixed)]
  }
  const statics = counted.flatMap(({ statics: [fixed = NaN] }) => [count(fixed), '', ''])
  return {
    title: 'What each kind of request costs',
    how:
      `Upstreams of ${MEMBERS.length} instances; instructions of the worker for each of ${COUNTED} requests over ${CONNECTIONS} ` +
      'connections, by callgrind, and against a static upstream of the same nginx:',
    columns: ['', ...ENGINES.flatMap((engine) => [engine, '/ static', 'compiled'])],
    rows: [
      ['a static upstream', ...statics],
      ...names.map((what, at) => [what, ...counted.flatMap((grown) => cells(grown, at))]),
    ],
    notes: [],
    numbers: { kinds: names, counted },
  }
}
