/** Lanes that nginx chooses in by itself: what they take, and the way of a change there. */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  openGates,
  plannedGates,
  takeLanes,
  whenOpen,
  whenWritten,
} from '../../lab/load/compiled.js'
import { monotonicMs } from '../../lab/load/ledger.js'
import { childPids, cpuNs, totalPss } from '../../lab/load/processes.js'
import { startRig } from '../../lab/load/rig.js'
import type { Rig } from '../../lab/load/rig.js'
import { tools } from '../../lab/tools.js'
import { until } from '../../lab/until.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, median, megabytes, ms, percentile } from '../report/statistics.js'
import { sized } from '../rig/sized.js'

const SIZES = sized([10, 100, 1000], [3])
const CHANGES = sized(30, 1)
const IDLE_MS = sized(20_000, 100)
const BATCH = 500

interface Measured {
  lanes: number
  reloadMs: number
  openMs: number
  /** Master and two workers. */
  pssBytes: number
  /** Part of a core, while nothing changes. */
  controller: number
  workers: number
  /** Of single changes: until they were answered, and from then until the gates were open again. */
  answeredMs: number[]
  openedMs: number[]
}

export const lanesPart: Part = {
  name: 'lanes',
  about:
    'lanes that nginx chooses in by itself: reload, memory, DNS, and from a change to an open gate',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const { nginx } = await tools()
  const measured: Measured[] = []
  for (const lanes of SIZES) {
    bench.say(`${count(lanes)} lanes`)
    const env = { SLUICE_COMPILED: 'auto', SLUICE_LANES: String(lanes) }
    const rig = await startRig({ name: 'lanes', nginx, env })
    bench.onEnd(() => rig.stop())
    measured.push(await measure(rig, lanes))
    await rig.stop()
  }
  return finding(measured)
}

const path = (lane: number, id: number): string => `/v1/upstreams/u${lane}/instances/i${id}`

async function fill(rig: Rig, lanes: number): Promise<void> {
  const operations = Array.from({ length: 2 * lanes }, (_, n) => {
    const [lane, id] = [n >> 1, n & 1]
    const host = `127.20.${lane >> 8}.${lane & 255}`
    return { method: 'PUT', path: path(lane, id), body: { host, port: 8000 + id } }
  })
  for (let at = 0; at < operations.length; at += BATCH) {
    await rig.batch(operations.slice(at, at + BATCH))
  }
}

async function measure(rig: Rig, lanes: number): Promise<Measured> {
  await fill(rig, lanes)
  await whenWritten(rig.home)
  const { fromMs, untilMs } = await takeLanes(rig)
  const reloadMs = untilMs - fromMs
  await whenOpen(rig.home)
  const openMs = monotonicMs() - fromMs
  const nginx = [rig.nginxPid(), ...childPids(rig.nginxPid())]
  const used = async (pids: number[]): Promise<number> => {
    const before = pids.map(cpuNs)
    await sleep(IDLE_MS)
    return pids.reduce((all, pid, i) => all + cpuNs(pid) - (before[i] ?? 0), 0) / IDLE_MS / 1e6
  }
  const [controller, workers] = [await used([rig.partPid('controller')]), await used(nginx)]
  return {
    ...{ lanes, reloadMs, openMs, pssBytes: totalPss(nginx), controller, workers },
    ...(await change(rig, lanes)),
  }
}

/** Changes weights, one after the other, each at a time that nginx does not know. */
async function change(rig: Rig, lanes: number): Promise<Pick<Measured, 'answeredMs' | 'openedMs'>> {
  const answeredMs: number[] = []
  const openedMs: number[] = []
  for (let n = 0; n < CHANGES; n++) {
    await sleep(300 + Math.random() * 1000)
    const startedMs = monotonicMs()
    await rig.change('PATCH', path((n * 37) % lanes, 0), { weight: 2 + (n % 7) })
    const atMs = monotonicMs()
    answeredMs.push(atMs - startedMs)
    const isOpen = (): boolean => openGates(rig.home) >= plannedGates(rig.home)
    await until(isOpen, { intervalMs: 10, deadlineMs: 60_000, what: 'open gates' })
    openedMs.push(monotonicMs() - atMs)
  }
  return { answeredMs, openedMs }
}

function finding(measured: Measured[]): PartResult {
  const percent = (part: number): string => `${(100 * part).toFixed(1)} %`
  const rows: Array<[string, (one: Measured) => string]> = [
    ['from the reload until new workers serve alone', ({ reloadMs }) => ms(reloadMs)],
    ['from the reload to the last open gate', ({ openMs }) => ms(openMs)],
    ['memory of nginx, two workers', ({ pssBytes }) => megabytes(pssBytes)],
    ['controller, of a core, while nothing changes', ({ controller }) => percent(controller)],
    ['nginx, likewise', ({ workers }) => percent(workers)],
    ['a change: until it is answered, median', ({ answeredMs }) => ms(median(answeredMs))],
    ['from then to the open gate, median', ({ openedMs }) => ms(median(openedMs))],
    ['likewise, 9 of 10', ({ openedMs }) => ms(percentile(openedMs, 0.9))],
  ]
  return {
    title: 'Lanes: what nginx chooses by itself',
    how: 'Upstreams of two instances each, all of which have a lane, and two gates each; changes of weights, one by one.',
    columns: ['', ...measured.map(({ lanes }) => `${count(lanes)} lanes`)],
    rows: rows.map(([what, print]) => [what, ...measured.map(print)]),
    notes: [],
    numbers: { measured },
  }
}
