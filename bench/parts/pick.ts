/** What a request costs as the instances in the table grow. */
import { join } from 'node:path'
import type { NginxInfo } from '../../setup/nginx.js'
import { startRig } from '../../lab/load/rig.js'
import type { BatchOperation, Rig } from '../../lab/load/rig.js'
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { startAdopted } from '../rig/adopted.js'
import { instructions, nginxInCallgrind } from '../trace/callgrind.js'
import { startCheapBackends } from '../rig/cheap-backends.js'
import { applyAll } from '../rig/growth.js'
import { Driver, interleave } from '../load/drive.js'
import {
  ASKED,
  ASKED_EACH,
  ASKED_INSTANCES,
  LARGE,
  askedHosts,
  askedOperations,
  fill,
} from '../rig/large.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, median, pairedRatio, ratio } from '../report/statistics.js'
import { ensureTracers } from '../trace/tracers.js'
import type { Tracers } from '../trace/tracers.js'
import { pooled } from '../load/warm-up.js'
import { sized } from '../rig/sized.js'

const ROUNDS = sized(12, 1)
const SLICE = sized(2000, 50)
const COUNTED = sized(500, 20)
const CONNECTIONS = 8
const COUNTS_BY_ADDRESS = sized(true, false)

/** For each request to `first` and to `last`, in this order. */
interface Instructions {
  small: number[]
  large: number[]
}

/**
 * With every peer reached by address, the table is all that grows; with the pool, that grows too.
 */
interface Counted {
  /** Absent in a small run: what counts is started for each of them, and that takes longest. */
  byAddress: Instructions | undefined
  pooled: Instructions
}

export const pickPart: Part = {
  name: 'pick',
  about: 'what a request costs a worker at 10 and at 100,000 instances in the table',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const { nginx } = await tools()
  const backend = await freePort()
  await startCheapBackends(bench, nginx, Object.values(askedHosts(backend)).flat(), backend)
  const tracers = await ensureTracers((line) => bench.say(line))
  const counted =
    tracers === undefined
      ? undefined
      : {
          byAddress: COUNTS_BY_ADDRESS
            ? await countInstructions(bench, tracers, nginx, backend, 'off')
            : undefined,
          pooled: await countInstructions(bench, tracers, nginx, backend, 'auto'),
        }
  return finding(await measureCpu(bench, nginx, backend), counted)
}

function driversFor(bench: Bench, port: number): Driver[] {
  const target = { host: '127.0.0.1', port }
  const drivers = ASKED.map((name) => new Driver(target, `${name}.localhost`, CONNECTIONS))
  bench.onEnd(() => drivers.forEach((driver) => driver.close()))
  return drivers
}

async function startAsked(bench: Bench, nginx: NginxInfo, backend: number): Promise<Rig> {
  const rig = await startRig({ name: 'pick', nginx, workers: 1 })
  bench.onEnd(() => rig.stop())
  await rig.batch(askedOperations(backend))
  return rig
}

/**
 * Two whole Sluices beside each other; the small one is asked twice in each round, as its own
 * control.
 */
async function measureCpu(bench: Bench, nginx: NginxInfo, backend: number): Promise<number[][]> {
  const small = await startAsked(bench, nginx, backend)
  const large = await startAsked(bench, nginx, backend)
  await fill(large, (line) => bench.say(line))
  const measures = [small, small, large].map((rig) =>
    driversFor(bench, rig.httpPort).map((driver) => ({ driver, rig })),
  )
  await pooled(measures.flat().map(({ driver }) => driver))
  bench.say(`${ROUNDS} rounds of ${SLICE} requests to each`)
  return interleave(
    ROUNDS,
    measures.flat().map(
      ({ driver, rig }) =>
        () =>
          driver.cpuPerRequest(SLICE, rig.workers()),
    ),
  )
}

/**
 * Exact but for what depends on time, so that one count before and one after the table is filled
 * are enough.
 */
async function countInstructions(
  bench: Bench,
  tracers: Tracers,
  nginx: NginxInfo,
  backend: number,
  pool: 'auto' | 'off',
): Promise<Instructions> {
  const folder = join(bench.folder, `callgrind-${pool}`)
  const port = await freePort()
  const servers = (includes: string): string =>
    `server { listen 127.0.0.1:${port}; include "${includes}/server.conf"; }`
  const traced = nginxInCallgrind(tracers, nginx, folder)
  const options = { nginx, traced, engine: 'njs', pool, servers, port } as const
  const adopted = await startAdopted(bench, options)
  await applyAll(adopted.rig, askedOperations(backend), LARGE)
  const drivers = driversFor(bench, port)
  const worker = adopted.nginx.workers()[0] ?? 0
  bench.say(`instructions, pool ${pool}`)
  const small = await countEach(tracers, folder, worker, drivers)
  const apply = (operations: BatchOperation[]) => applyAll(adopted.rig, operations, LARGE)
  await fill(adopted.rig, (line) => bench.say(line), apply)
  const large = await countEach(tracers, folder, worker, drivers)
  await adopted.rig.stop()
  await adopted.nginx.stop()
  return { small, large }
}

async function countEach(
  tracers: Tracers,
  folder: string,
  worker: number,
  drivers: Driver[],
): Promise<number[]> {
  await pooled(drivers)
  const totals: number[] = []
  for (const driver of drivers) {
    totals.push(await instructions(tracers, folder, worker, () => driver.run(COUNTED)))
  }
  return totals.map((total) => total / COUNTED)
}

const POSITIONS = [
  'in the pool at both sizes',
  `beyond the pool’s 1,000 members at ${count(LARGE)}`,
]

function finding(cpuNs: number[][], counted: Counted | undefined): PartResult {
  const notes = [
    'An instance beyond the pool is reached by address: a hop, and a connection each time.',
    'nginx searches its pool in a row: what is added in the pool is that search among 1,000 members.',
  ]
  if (counted === undefined) {
    notes.push('No valgrind on this machine: instructions were not counted.')
  }
  return {
    title: 'A request, at 10 and at 100,000 instances in the table',
    how:
      `Two upstreams of ${ASKED_EACH} instances are asked, the same in both tables; ${ROUNDS} rounds of ` +
      `${SLICE} requests by turns; instructions of a worker with njs, by callgrind. For each request:`,
    columns: ['', String(ASKED_INSTANCES), 'the same again (control)', count(LARGE), 'ratio'],
    rows: [...cpuRows(cpuNs), ...instructionRows(counted)],
    notes,
    numbers: { cpuNs, instructions: counted },
  }
}

function cpuRows(cpuNs: number[][]): string[][] {
  const us = (values: number[]): string => `${(median(values) / 1000).toFixed(1)} us`
  return POSITIONS.map((position, index) => {
    const [small = [], again = [], large = []] = [0, 2, 4].map(
      (first) => cpuNs[first + index] ?? [],
    )
    const control = `${us(again)} (${ratio(pairedRatio(again, small))})`
    return [
      `worker CPU, ${position}`,
      us(small),
      control,
      us(large),
      ratio(pairedRatio(large, small)),
    ]
  })
}

function instructionRows(counted: Counted | undefined): string[][] {
  if (counted === undefined) {
    return []
  }
  const row = (position: string, { small, large }: Instructions, index: number): string[] => {
    const [few = NaN, many = NaN] = [small[index], large[index]]
    return [`instructions, ${position}`, count(few), '', count(many), ratio(many / few)]
  }
  const { byAddress } = counted
  return [
    ...(byAddress === undefined
      ? []
      : [row('by address at both sizes (the table alone)', byAddress, 0)]),
    ...POSITIONS.map((position, index) => row(position, counted.pooled, index)),
  ]
}
