/** Memory of nginx and of the controller at 100,000 instances. */
import { memoryOf } from '../../lab/load/processes.js'
import { startRig } from '../../lab/load/rig.js'
import type { Rig } from '../../lab/load/rig.js'
import { tools } from '../../lab/tools.js'
import { until } from '../../lab/until.js'
import { ASKED_INSTANCES, LARGE, askedOperations, fill } from '../rig/large.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, megabytes, median, ms, percentile, sum } from '../report/statistics.js'
import { TableReader } from '../../lab/load/table-reader.js'

const TABLE_BYTES = 64 * 1024 * 1024

interface Footprint {
  instances: number
  zoneUsedBytes: number
  masterPss: number
  workersPss: number
  largestWorkerRss: number
  controllerRss: number
}

export const memoryPart: Part = {
  name: 'memory',
  about: 'memory of nginx and of the controller at 100,000 instances, and the time to load them',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const { nginx } = await tools()
  const env = { SLUICE_TABLE_SIZE: '64m' }
  const rig = await startRig({ name: 'memory', nginx, env })
  bench.onEnd(() => rig.stop())
  const reader = new TableReader(rig.home)
  bench.onEnd(() => reader.close())
  await rig.batch(askedOperations(8000))
  const before = await weigh(rig, reader, ASKED_INSTANCES)
  bench.say(`${count(LARGE)} instances by batches of 1,000`)
  const times = await fill(rig, (line) => bench.say(line))
  await until(async () => (await reader.state()).whole, { what: 'a whole table' })
  const after = await weigh(rig, reader, LARGE)
  return finding(before, after, times)
}

async function weigh(rig: Rig, reader: TableReader, instances: number): Promise<Footprint> {
  const state = await reader.state()
  const workers = rig.workers().map(memoryOf)
  return {
    instances,
    zoneUsedBytes: TABLE_BYTES - state.freeBytes,
    masterPss: memoryOf(rig.nginxPid()).pssBytes,
    workersPss: sum(workers.map(({ pssBytes }) => pssBytes)),
    largestWorkerRss: Math.max(...workers.map(({ rssBytes }) => rssBytes)),
    controllerRss: memoryOf(rig.partPid('controller')).rssBytes,
  }
}

function finding(before: Footprint, after: Footprint, times: number[]): PartResult {
  const row = (what: string, pick: (footprint: Footprint) => number): string[] => {
    return [what, megabytes(pick(before)), megabytes(pick(after))]
  }
  return {
    title: `${count(LARGE)} instances`,
    how: '1,000 upstreams of 100 instances, registered by batches of 1,000 over one connection.',
    columns: ['', `${before.instances} instances`, `${count(after.instances)} instances`],
    rows: [
      row('table’s zone in use', ({ zoneUsedBytes }) => zoneUsedBytes),
      row('nginx, all of it (PSS)', ({ masterPss, workersPss }) => masterPss + workersPss),
      row('largest worker (RSS, with the zone)', ({ largestWorkerRss }) => largestWorkerRss),
      row('controller (RSS)', ({ controllerRss }) => controllerRss),
    ],
    notes: [
      `Loaded in ${(sum(times) / 1000).toFixed(1)} s: ${count(LARGE / (sum(times) / 1000))}/s, ` +
        `a batch in ${ms(median(times))} (median), ${ms(percentile(times, 1))} (worst); each was applied before the next.`,
    ],
    numbers: { before, after, batchesMs: times },
  }
}
