/** Throughput and CPU through the table, against a static upstream. */
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { SIDES, startSideBySide } from '../rig/side-by-side.js'
import { stopAdopted } from '../rig/adopted.js'
import { startCheapBackends } from '../rig/cheap-backends.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { measure, rowsOf } from '../rig/subjects.js'
import type { Measured, Rounds } from '../rig/subjects.js'
import { ensureWrk } from '../load/wrk.js'
import { ENGINES, sized } from '../rig/sized.js'

const HOSTS = ['127.8.2.1', '127.8.2.2', '127.8.2.3']
const ROUNDS: Rounds = {
  ...{ rounds: sized(16, 1), slice: sized(2500, 50), connections: 8 },
  ...{ wrkRounds: sized(7, 1), wrkSeconds: 1 },
}

/** Each engine without an access log, and with one as `npm start` has it. */
const VARIANTS = ENGINES.flatMap((engine) => [[engine, false] as const, [engine, true] as const])

/** Columns of every row, in this order. */
const COMPARED = ['static', 'static again', 'sluice'] as const

export const throughputPart: Part = {
  name: 'throughput',
  about: 'requests through the table against a static upstream in the same nginx',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const wrk = await ensureWrk((line) => bench.say(line))
  const { nginx } = await tools()
  const backend = await freePort()
  await startCheapBackends(bench, nginx, HOSTS, backend)
  const measured: Measured[] = []
  for (const [engine, logged] of VARIANTS) {
    const beside = await startSideBySide(bench, { engine, hosts: HOSTS, backend, logged })
    const hosts = SIDES.map((side) => `${side}.localhost`)
    const name = logged ? `${engine}, access log on` : engine
    const subject = { name, nginx: beside.nginx, port: beside.port, hosts }
    measured.push(...(await measure(bench, [subject], ROUNDS, wrk)))
    await stopAdopted(beside)
  }
  return finding(measured)
}

function finding(measured: Measured[]): PartResult {
  const notes = [
    '“static again” is the control: below its difference from 1.00 nothing can be said.',
    'With the access log on, the static servers write one of their own with the same fields, but those only Sluice knows.',
  ]
  if (measured.some(({ perSecond }) => perSecond === undefined)) {
    notes.push('wrk could not be had, so throughput was not measured, only processor time.')
  }
  return {
    title: 'Through the table, against a static upstream',
    how:
      'One worker of one nginx with three servers, taken by turns: an upstream{} with zone and keepalive, ' +
      'the same again, and Sluice’s server.conf; the same headers, backends that answer from memory. ' +
      'Medians; ratios are medians of ratios within a round.',
    columns: ['', ...COMPARED, 'control', 'sluice / static'],
    rows: rowsOf(measured),
    notes,
    numbers: { measured, rounds: ROUNDS.rounds, slice: ROUNDS.slice },
  }
}
