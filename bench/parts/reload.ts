/** One change by Sluice, and by nginx -s reload. */
import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../../lab/load/ledger.js'
import { startLoad } from '../../lab/load/load.js'
import { Backends } from '../../lab/load/backends.js'
import { until } from '../../lab/until.js'
import { compared } from '../rig/compared.js'
import type { Compared, BenchInstance } from '../rig/compared.js'
import { Prober } from '../load/prober.js'
import type { Sighting } from '../load/prober.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { Sampler } from '../load/sampler.js'
import type { Sampled } from '../load/sampler.js'
import { count, megabytes, ms, percentile } from '../report/statistics.js'
import { sized } from '../rig/sized.js'

const CHANGES = sized(10, 1)
const PAUSE_MS = sized(400, 50)
const SLOW_MS = sized(3000, 50)
const LOADED = ['web0', 'web1', 'web2', 'web3']
const WORKERS = sized(40, 4)
const LOADED_WITHIN = { deadlineMs: 60_000, what: 'a load' }
/** So many requests are answered before the first change. */
const BEFORE = sized(400, 20)
/** So many answers in a row without the old state mean that it is gone. */
const SURE = sized(30, 5)

interface Change {
  answeredMs: number
  firstNewMs: number
  lastOldMs: number
}

interface Measured extends Sampled {
  changes: Change[]
  /** From the last change until no worker was left that knew the state before it. */
  drainedMs: number
  requests: number
  lost: number
  closedIdle: number
  reconnected: number
}

export const reloadPart: Part = {
  name: 'reload',
  about: 'one change by Sluice and by nginx -s reload: latency, connections, memory',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const backends = new Backends(bench.folder, 'reload')
  bench.onEnd(() => backends.kill())
  const instances = await openInstances(backends)
  const measured: [Compared, Measured][] = []
  for (const start of compared) {
    const candidate = await start(bench, instances)
    bench.say(`${candidate.name}: ${CHANGES} changes under load`)
    measured.push([candidate, await measure(bench, candidate)])
    await candidate.stop()
  }
  return finding(measured)
}

/** `probe` has two backends, of which one serves: a change moves it to the other. */
async function openInstances(backends: Backends): Promise<BenchInstance[]> {
  const instances = [...LOADED, 'probe', 'probe'].map((upstream, index) => {
    return { upstream, instance: `${upstream}-${index}`, host: `127.4.0.${index + 1}`, port: 0 }
  })
  return Promise.all(instances.map(async (one) => ({ ...one, port: await backends.open(one) })))
}

async function measure(bench: Bench, candidate: Compared): Promise<Measured> {
  const load = startLoad(bench.folder, {
    target: candidate.target,
    upstreams: LOADED,
    seed: candidate.name.length,
    workers: WORKERS,
    thinkMs: 20,
    slowPart: 0.03,
    slowMs: SLOW_MS,
  })
  bench.onEnd(() => load.kill())
  const prober = new Prober(candidate.target, 'probe.localhost', 8)
  await until(async () => (await load.count()).requests > BEFORE, LOADED_WITHIN)
  const sampler = new Sampler(() => candidate.pids())
  const { changes, drainedMs } = await change(candidate, prober)
  const sampled = await sampler.stop()
  const probeErrors = await prober.stop()
  const { lines, report } = await load.stop()
  const lost = lines.filter(({ status }) => status < 200 || status > 299).length + probeErrors
  const reconnected = report.opened - WORKERS
  const { closedIdle, requests } = report
  return { ...sampled, changes, drainedMs, requests, lost, closedIdle, reconnected }
}

async function change(
  candidate: Compared,
  prober: Prober,
): Promise<Pick<Measured, 'changes' | 'drainedMs'>> {
  const usual = candidate.pids().length
  const changes: Change[] = []
  for (let number = 1; number <= CHANGES; number++) {
    await sleep(PAUSE_MS)
    changes.push(await changeOnce(candidate, prober, number))
  }
  const changedAtMs = monotonicMs()
  const what = 'the end of the old workers'
  await until(() => candidate.pids().length <= usual, { what, deadlineMs: 30_000 })
  return { changes, drainedMs: monotonicMs() - changedAtMs }
}

/** Moves `probe` to its other backend and waits until only that one is seen. */
async function changeOnce(candidate: Compared, prober: Prober, number: number): Promise<Change> {
  const seen: Sighting[] = []
  prober.take()
  const startMs = monotonicMs()
  const instance = await candidate.move(number)
  const answeredMs = monotonicMs() - startMs
  const isNew = ({ who }: Sighting): boolean => who === instance
  const settled = (): boolean => {
    seen.push(...prober.take())
    return seen.length > SURE && seen.slice(-SURE).every(isNew)
  }
  await until(settled, { what: `change ${number} by ${candidate.name}` })
  const old = seen.filter((sighting) => !isNew(sighting)).map((sighting) => sighting.startMs)
  return {
    answeredMs,
    firstNewMs: Math.min(...seen.filter(isNew).map(({ endMs }) => endMs)) - startMs,
    lastOldMs: Math.max(startMs, ...old) - startMs,
  }
}

function finding(measured: [Compared, Measured][]): PartResult {
  return {
    title: 'One change: by Sluice, and by `nginx -s reload`',
    how:
      `${CHANGES} times a server of one upstream moves, ${PAUSE_MS} ms apart; ${WORKERS} keep-alive ` +
      `clients (one request in 33 takes up to ${SLOW_MS / 1000} s) and 8 probes meanwhile. Both have the same upstreams.`,
    columns: ['', ...measured.map(([{ name }]) => name)],
    rows: ROWS.map(([what, print]) => [what, ...measured.map(([, one]) => print(one))]),
    notes: [
      'nginx -s reload answers before the new workers serve.',
      'A request is lost when a kept-open connection is closed while it is on its way there.',
    ],
    numbers: Object.fromEntries(measured.map(([{ name }, one]) => [name, one])),
  }
}

const ROWS: [what: string, print: (one: Measured) => string][] = [
  ['command or call answered, median', of(({ answeredMs }) => answeredMs, 0.5)],
  ['first request by the new state, median', of(({ firstNewMs }) => firstNewMs, 0.5)],
  ['last request by the old state, median', of(({ lastOldMs }) => lastOldMs, 0.5)],
  ['last request by the old state, worst', of(({ lastOldMs }) => lastOldMs, 1)],
  ['last change until no old worker is left', ({ drainedMs }) => ms(drainedMs)],
  ['requests', ({ requests }) => count(requests)],
  ['requests lost', ({ lost }) => count(lost)],
  ['idle client connections closed', ({ closedIdle }) => count(closedIdle)],
  ['client connections opened anew', ({ reconnected }) => count(reconnected)],
  [
    'nginx processes, at rest → at most',
    ({ restProcesses, mostProcesses }) => `${restProcesses} → ${mostProcesses}`,
  ],
  [
    'memory (PSS of all of nginx), at rest → at most',
    ({ restPss, peakPss }) => `${megabytes(restPss)} → ${megabytes(peakPss)}`,
  ],
]

function of(pick: (change: Change) => number, part: number): (one: Measured) => string {
  return ({ changes }) => ms(percentile(changes.map(pick), part))
}
