/** Sluice, HAProxy and Caddy, at rest and while they change. */
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { startCheapBackends } from '../rig/cheap-backends.js'
import { Driver, interleave } from '../load/drive.js'
import { startCaddy, startHaproxy, startNginxes } from '../rig/proxies.js'
import type { BackendHosts, Proxy } from '../rig/proxies.js'
import { saturate, saturateChanging, seeChanges } from '../rig/proxies-measure.js'
import type { Changing, Saturated, SeenChanges } from '../rig/proxies-measure.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, median, ms, pairedRatio, percentile, ratio, sum } from '../report/statistics.js'
import { pooled } from '../load/warm-up.js'
import { ensureWrk } from '../load/wrk.js'
import { sized } from '../rig/sized.js'

const HOSTS = ['127.8.7.1', '127.8.7.2', '127.8.7.3']
const MOVING: [string, string] = ['127.8.7.4', '127.8.7.5']
const CPU_ROUNDS = sized(16, 1)
const SLICE = sized(2000, 50)
const CONNECTIONS = 8
const ROUNDS = sized(5, 1)

interface Measured {
  name: string
  about: string
  /** Nanoseconds of all its processes for each request, by round. */
  cpuNs: number[]
  rest: Saturated[]
  changing: Changing[]
  seen: SeenChanges | undefined
}

export const proxiesPart: Part = {
  name: 'proxies',
  alias: 'peers',
  about: 'Sluice, HAProxy and Caddy, at rest and while they change as fast as they can',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const wrk = await ensureWrk((line) => bench.say(line))
  if (wrk === undefined) {
    throw new Error('without wrk there is no load to compare under')
  }
  const { nginx } = await tools()
  const backends: BackendHosts = { hosts: HOSTS, moving: MOVING, port: await freePort() }
  await startCheapBackends(bench, nginx, [...HOSTS, ...MOVING], backends.port)
  const proxies = [
    ...(await startNginxes(bench, backends)),
    await startHaproxy(bench, backends),
    await startCaddy(bench, backends),
  ]
  const cpuNs = await measureCpu(bench, proxies)
  const measured = proxies.map(({ name, about }, index): Measured => {
    return { name, about, cpuNs: cpuNs[index] ?? [], rest: [], changing: [], seen: undefined }
  })
  bench.say(`${ROUNDS} rounds with wrk, at rest and while changing`)
  await measureThroughput(wrk, proxies, measured)
  for (const [index, proxy] of proxies.entries()) {
    const one = measured[index]
    if (proxy.move === undefined || one === undefined) {
      continue
    }
    bench.say(`${proxy.name}: when a change is seen`)
    one.seen = await seeChanges(bench, proxy, backends)
  }
  return finding(measured)
}

async function measureCpu(bench: Bench, proxies: Proxy[]): Promise<number[][]> {
  const drivers = proxies.map(({ port, upstream }) => {
    return new Driver({ host: '127.0.0.1', port }, `${upstream}.localhost`, CONNECTIONS)
  })
  bench.onEnd(() => drivers.forEach((driver) => driver.close()))
  await pooled(drivers)
  bench.say(`${CPU_ROUNDS} rounds of ${SLICE} requests to each of ${proxies.length}`)
  const measures = proxies.map((proxy, index) => async (): Promise<number> => {
    return (await drivers[index]?.cpuPerRequest(SLICE, proxy.pids())) ?? NaN
  })
  const cpuNs = await interleave(CPU_ROUNDS, measures)
  for (const driver of drivers) {
    driver.close()
  }
  return cpuNs
}

async function measureThroughput(
  wrk: string,
  proxies: Proxy[],
  measured: Measured[],
): Promise<void> {
  const measures = proxies.map((proxy, index) => async (): Promise<number> => {
    const one = measured[index]
    one?.rest.push(await saturate(wrk, proxy))
    if (proxy.move !== undefined) {
      one?.changing.push(await saturateChanging(wrk, proxy))
    }
    return NaN
  })
  await interleave(ROUNDS, measures)
}

function finding(measured: Measured[]): PartResult {
  const [first] = measured
  const abouts = measured.filter(({ about }) => about !== '')
  return {
    title: 'Sluice, HAProxy and Caddy',
    how:
      'One worker or thread each, the same four backends, connections kept on both sides, by turns. At rest, and ' +
      'while one of the four moves as fast as its API answers; then another upstream moves under a moderate load.',
    columns: ['', ...measured.map(({ name }) => name)],
    rows: ROWS.map(([what, print]) => [what, ...measured.map((one) => print(one, first ?? one))]),
    notes: [
      ...abouts.map(({ name, about }) => `${name}: ${about}.`),
      `CPU: ${CPU_ROUNDS} rounds of ${SLICE} requests over ${CONNECTIONS} connections; throughput: wrk, 32 connections, ${ROUNDS} rounds of 2 s.`,
      'Sluice answers when a change is on disk and in nginx; HAProxy’s and Caddy’s are in memory and gone after a restart.',
      'Lost: not answered, or not by 2xx; also a request for which its kept-open connection was closed under way, which ' +
        'many clients would send again.',
    ],
    numbers: { measured },
  }
}

const medianOf = (runs: Saturated[]): number => median(runs.map(({ perSecond }) => perSecond))
const rates = (runs: Saturated[]): number[] => runs.map(({ perSecond }) => perSecond)

const ROWS: [what: string, print: (one: Measured, first: Measured) => string][] = [
  ['CPU for each request', ({ cpuNs }) => `${(median(cpuNs) / 1000).toFixed(1)} us`],
  ['CPU / static', ({ cpuNs }, first) => ratio(pairedRatio(cpuNs, first.cpuNs))],
  ['requests/s at rest', ({ rest }) => count(medianOf(rest))],
  ['requests/s / static', ({ rest }, first) => ratio(pairedRatio(rates(rest), rates(first.rest)))],
  ['requests/s while changing', whenChanged(({ changing }) => count(medianOf(changing)))],
  [
    'while changing / at rest',
    whenChanged(({ changing, rest }) => ratio(pairedRatio(rates(changing), rates(rest)))),
  ],
  [
    'changes/s meanwhile',
    whenChanged(({ changing }) =>
      count(median(changing.map(({ changesPerSecond }) => changesPerSecond))),
    ),
  ],
  ['requests lost at rest', ({ rest }) => lostOf(rest)],
  ['requests lost while changing', whenChanged(({ changing }) => lostOf(changing))],
  ['change answered, p50 / p99', whenSeen(({ changes }) => spread(changes, 'answeredMs'))],
  ['change effective, p50 / p99', whenSeen(({ changes }) => spread(changes, 'effectiveMs'))],
  [
    'begun after the answer, by the old state',
    whenSeen(({ changes }) => count(sum(changes.map(({ stale }) => stale)))),
  ],
  [
    'lost under a moderate load',
    whenSeen(({ lost, requests }) => `${count(lost)} of ${count(requests)}`),
  ],
  ['idle client connections closed', whenSeen(({ closedIdle }) => count(closedIdle))],
]

function whenChanged(print: (one: Measured) => string): (one: Measured) => string {
  return (one) => (one.changing.length === 0 ? '' : print(one))
}

function whenSeen(print: (seen: SeenChanges) => string): (one: Measured) => string {
  return ({ seen }) => (seen === undefined ? '' : print(seen))
}

function lostOf(runs: Saturated[]): string {
  return `${count(sum(runs.map(({ lost }) => lost)))} of ${count(sum(runs.map(({ requests }) => requests)))}`
}

function spread(changes: SeenChanges['changes'], what: 'answeredMs' | 'effectiveMs'): string {
  const values = changes.map((change) => change[what])
  return `${ms(median(values))} / ${ms(percentile(values, 0.99))}`
}
