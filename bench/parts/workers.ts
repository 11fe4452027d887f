/** CPU of several workers for a request, against a static upstream. */
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { SIDES, startSideBySide } from '../rig/side-by-side.js'
import { startCheapBackends } from '../rig/cheap-backends.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { measure, rowsOf } from '../rig/subjects.js'
import type { Rounds, Subject } from '../rig/subjects.js'
import { ENGINES, sized } from '../rig/sized.js'

const HOSTS = ['127.8.2.1', '127.8.2.2', '127.8.2.3']
const WORKERS = sized([1, 2, 4], [2])
/** More connections than workers, so that each worker gets some. */
const ROUNDS: Rounds = {
  ...{ rounds: sized(16, 1), slice: sized(2500, 50), connections: 32 },
  ...{ wrkRounds: 0, wrkSeconds: 0 },
}

export const workersPart: Part = {
  name: 'workers',
  about: 'CPU of 1, 2 and 4 workers for a request, against a static upstream in the same nginx',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const { nginx } = await tools()
  const backend = await freePort()
  await startCheapBackends(bench, nginx, HOSTS, backend)
  const subjects: Subject[] = []
  for (const engine of ENGINES) {
    for (const workers of WORKERS) {
      const started = await startSideBySide(bench, { engine, hosts: HOSTS, backend, workers })
      const hosts = SIDES.map((name) => `${name}.localhost`)
      const name = `${engine}, ${workers} ${workers === 1 ? 'worker' : 'workers'}`
      subjects.push({ name, nginx: started.nginx, port: started.port, hosts })
    }
  }
  const measured = await measure(bench, subjects, ROUNDS, undefined)
  return {
    title: 'Through the table, with several workers',
    how:
      'An nginx for each row, with a static upstream{}, the same again and Sluice beside each other; all rows and columns by ' +
      `turns, over ${ROUNDS.connections} connections. Processor time of all its workers; medians, and medians of ratios within a round.`,
    columns: ['', 'static', 'static again', 'sluice', 'control', 'sluice / static'],
    rows: rowsOf(measured),
    notes: [
      'More workers than cores show what the lock of the shared memory costs, and no throughput.',
    ],
    numbers: { measured, rounds: ROUNDS.rounds, slice: ROUNDS.slice },
  }
}
