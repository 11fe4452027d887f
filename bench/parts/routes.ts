/** What a request costs as the routed hosts grow. */
import type { BatchOperation } from '../../lab/load/rig.js'
import { FAST_HOSTS } from '../../contract/table/limits.js'
import { CONNECTIONS, COUNTED, applyAll, countEngines } from '../rig/growth.js'
import type { Grown } from '../rig/growth.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, ratio } from '../report/statistics.js'
import { sized } from '../rig/sized.js'

const ROUTES = sized([10, 1000, 100_000], [10, 20])
const HOSTS = Array.from({ length: 10 }, (_, n) => `127.8.7.${n + 1}`)
const UPSTREAM = 'web'
const BATCH = 10_000
const PATHS = sized(100, 3)

/**
 * Hosts that are asked for. Those of other routes are between `a` and `z`, and those first in order
 * get slots of their own.
 */
const ASKED = [
  {
    what: `a host of the first ${count(FAST_HOSTS)}`,
    host: 'a.test',
    routes: [{ hosts: ['a.test'] }],
  },
  { what: 'a host of the others', host: 'z.test', routes: [{ hosts: ['z.test'] }] },
  { what: 'below a wildcard', host: 'x.wild.test', routes: [{ hosts: ['*.wild.test'] }] },
  {
    what: 'a host with two paths',
    host: 'two.test',
    routes: ['/', '/api'].map((pathPrefix) => ({ hosts: ['two.test'], pathPrefix })),
  },
  {
    what: `a host with ${PATHS} paths`,
    host: 'paths.test',
    routes: Array.from({ length: PATHS }, (_, n) => {
      return { hosts: ['paths.test'], pathPrefix: n === 0 ? '/' : `/path${n}` }
    }),
  },
]

export const routesPart: Part = {
  name: 'routes',
  about: 'instructions for a request at 10, 1,000 and 100,000 routed hosts',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const asked = ASKED.map(({ host }) => host)
  const counted = await countEngines(bench, HOSTS, (backend) => ({
    sizes: ROUTES,
    asked,
    grow: async (rig, from, to) => {
      if (from === 0) {
        await applyAll(rig, askedOperations(backend), BATCH)
      }
      await applyAll(rig, otherOperations(Math.max(from, ASKED.length), to), BATCH)
    },
  }))
  return finding(counted)
}

function askedOperations(port: number): BatchOperation[] {
  const instances = HOSTS.map((host, index) => {
    const path = `/v1/upstreams/${UPSTREAM}/instances/i${index}`
    return { method: 'PUT', path, body: { host, port } }
  })
  const routes = ASKED.flatMap((asked) => asked.routes).map((route, index) => ({
    method: 'PUT',
    path: `/v1/routes/asked${index}`,
    body: { ...route, upstream: UPSTREAM },
  }))
  return [...instances, ...routes]
}

function otherOperations(from: number, to: number): BatchOperation[] {
  return Array.from({ length: to - from }, (_, offset) => ({
    method: 'PUT',
    path: `/v1/routes/r${from + offset}`,
    body: { hosts: [`h${from + offset}.test`], upstream: UPSTREAM },
  }))
}

function finding(counted: Grown[]): PartResult {
  const row = (what: string, values: number[]): string[] => {
    const [first = NaN] = values
    const growth = values.map((value) => ratio(value / first))
    return [what, ...values.map(count), ...growth.slice(1)]
  }
  const rows = counted.flatMap(({ engine, sluice, statics }) => [
    row(`${engine}: static upstream of the same nginx (control)`, statics),
    ...ASKED.map(({ what }, index) => row(`${engine}: ${what}`, sluice[index] ?? [])),
  ])
  const [few = NaN, ...more] = ROUTES
  return {
    title: 'A request, at 10 and at 100,000 routed hosts',
    how:
      `Hosts of one upstream of ${HOSTS.length} instances, each by a route of its own; instructions of the worker for each ` +
      `of ${COUNTED} requests over ${CONNECTIONS} connections, by callgrind:`,
    columns: ['hosts', ...ROUTES.map(count), ...more.map((size) => `${count(size)} / ${few}`)],
    rows,
    notes: [
      `The first ${count(FAST_HOSTS)} hosts, by name, that have one route for all paths have slots of their own, and cost one ` +
        'read. All others are looked up by the module’s longer way; “a host of the others” is among the first while there are few.',
    ],
    numbers: { routes: ROUTES, asked: ASKED.map(({ what }) => what), counted },
  }
}
