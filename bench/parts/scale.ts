/** What a request costs as the upstreams grow. */
import type { BatchOperation, Rig } from '../../lab/load/rig.js'
import { CONNECTIONS, COUNTED, applyAll, countEngines } from '../rig/growth.js'
import type { Grown } from '../rig/growth.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, ratio } from '../report/statistics.js'
import { sized } from '../rig/sized.js'

const UPSTREAMS = sized([1, 100, 10_000], [1, 3])
/**
 * All upstreams have these members: then the pool stays as it is, and the number of upstreams is
 * all that grows.
 */
const HOSTS = Array.from({ length: 10 }, (_, n) => `127.8.5.${n + 1}`)
const BATCH = 100

/** Names that differ at their end and at their start, one of which is asked. */
const ASKED = 'asked'

export const scalePart: Part = {
  name: 'scale',
  about: 'instructions for a request at 1 and at 10,000 upstreams (pick has the instances)',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const counted = await countEngines(bench, HOSTS, (backend) => ({
    sizes: UPSTREAMS,
    asked: [`${ASKED}.localhost`],
    grow: (rig, from, to) => fill(rig, from, to, backend),
  }))
  return finding(counted)
}

async function fill(rig: Rig, from: number, to: number, port: number): Promise<void> {
  const operations: BatchOperation[] = []
  for (let upstream = from; upstream < to; upstream++) {
    const name = upstream === 0 ? ASKED : `u${upstream}`
    // The asked one has them all, and each of the others one.
    const hosts = upstream === 0 ? HOSTS : [HOSTS[upstream % HOSTS.length] ?? '']
    hosts.forEach((host, index) => {
      const path = `/v1/upstreams/${name}/instances/i${index}`
      operations.push({ method: 'PUT', path, body: { host, port } })
    })
  }
  await applyAll(rig, operations, BATCH)
}

function finding(counted: Grown[]): PartResult {
  const row = (what: string, values: number[]): string[] => {
    const [first = NaN] = values
    const growth = values.map((value) => value / first)
    return [what, ...values.map(count), ratio(Math.max(...growth))]
  }
  const rows = counted.flatMap(({ engine, sluice: [sluice = []], statics }) => [
    row(`${engine}: Sluice`, sluice),
    row(`${engine}: static upstream of the same nginx (control)`, statics),
    [
      `${engine}: Sluice / static`,
      ...sluice.map((value, index) => ratio(value / (statics[index] ?? NaN))),
      '',
    ],
  ])
  return {
    title: 'A request, at 1 and at 10,000 upstreams',
    how:
      `One upstream of ${HOSTS.length} instances is asked, and others are merely in the table; instructions ` +
      `of the worker for each of ${COUNTED} requests over ${CONNECTIONS} connections, by callgrind:`,
    columns: ['upstreams', ...UPSTREAMS.map(count), 'most / first'],
    rows,
    notes: [
      'All upstreams have the same members, so nginx’s pool does not grow; pick has what it adds.',
    ],
    numbers: { upstreams: UPSTREAMS, counted },
  }
}
