/** Throughput while upstreams change. */
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../lab/ports.js'
import { cpuNs } from '../../lab/load/processes.js'
import { tools } from '../../lab/tools.js'
import { startSideBySide } from '../rig/side-by-side.js'
import type { SideBySide } from '../rig/side-by-side.js'
import { startCheapBackends } from '../rig/cheap-backends.js'
import { giveCore, leaveCore, takeCoreBack } from '../rig/cores.js'
import { Driver, interleave } from '../load/drive.js'
import { Pacer } from '../load/pacer.js'
import type { PaceReport } from '../load/pacer.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, median, pairedRatio, ratio, sum } from '../report/statistics.js'
import { pooled } from '../load/warm-up.js'
import { ensureWrk, throughput } from '../load/wrk.js'
import { sized } from '../rig/sized.js'

/** The first three serve all the while; of the rest, one at a time is a fourth. */
const HOSTS = ['127.8.6.1', '127.8.6.2', '127.8.6.3']
const MOVING = ['127.8.6.4', '127.8.6.5']
const OTHERS = sized(50, 3)
const PER_SECOND = sized(100, 10)
const ROUNDS = sized(9, 1)
const SECONDS = sized(2, 1)
const CHANGES_ALONE_MS = sized(3000, 300)
/**
 * What the worker compresses for each request, so that it has more to do than all the others
 * together.
 */
const BODY = Array.from({ length: 400 }, (_, n) => (n * 7919) % 1000).join(' ')
const GZIP = 'gzip on; gzip_types text/plain; gzip_comp_level 9;'

interface Change {
  path: string
  body: unknown
}

interface Variant {
  name: string
  /** Undefined: nothing changes. */
  change: ((number: number, port: number) => Change) | undefined
  paced: PaceReport[]
  /** Nanoseconds of the worker for each request, by round. */
  cpuNs: number[]
  /** Nanoseconds of the worker for each change, when there are no requests. */
  cpuNsOfChange: number | undefined
}

export const churnPart: Part = {
  name: 'churn',
  about: `throughput during ${PER_SECOND} changes a second, of the upstream under load and of others`,
  run,
}

function variants(): Variant[] {
  const weight = (number: number): number => 1 + (Math.floor(number / HOSTS.length) % 2)
  const listed: Pick<Variant, 'name' | 'change'>[] = [
    { name: 'quiet', change: undefined },
    { name: 'quiet again (control)', change: undefined },
    {
      name: 'other upstreams: instances move',
      change: (number, port) => {
        const body = { host: MOVING[Math.floor(number / OTHERS) % MOVING.length], port }
        return { path: `/v1/upstreams/other${number % OTHERS}/instances/i0`, body }
      },
    },
    {
      name: 'the upstream under load: weights',
      change: (number, port) => {
        const index = number % HOSTS.length
        const body = { host: HOSTS[index], port, weight: weight(number) }
        return { path: `/v1/upstreams/sluice/instances/i${index}`, body }
      },
    },
    {
      name: 'the upstream under load: one of four instances moves',
      change: (number, port) => {
        const body = { host: MOVING[number % MOVING.length], port }
        return { path: '/v1/upstreams/sluice/instances/moving', body }
      },
    },
  ]
  return listed.map((variant) => ({ ...variant, paced: [], cpuNs: [], cpuNsOfChange: undefined }))
}

async function run(bench: Bench): Promise<PartResult> {
  const wrk = await ensureWrk((line) => bench.say(line))
  if (wrk === undefined) {
    throw new Error('without wrk there is no throughput to measure')
  }
  const isApart = await leaveCore()
  bench.onEnd(takeCoreBack)
  const { nginx } = await tools()
  const backend = await freePort()
  await startCheapBackends(bench, nginx, [...HOSTS, ...MOVING], backend, BODY)
  const started = await startSideBySide(bench, {
    engine: 'njs',
    hosts: HOSTS,
    backend,
    directives: GZIP,
  })
  if (isApart) {
    await giveCore(started.nginx.workers())
  }
  await addOthers(started)
  await warmUp(started.port)
  const subjects = variants()
  bench.say(`${ROUNDS} rounds of ${SECONDS} s for each of ${subjects.length}`)
  const measures = subjects.map((variant) => () => measure(wrk, started, variant))
  const perSecond = await interleave(ROUNDS, measures)
  for (const variant of subjects) {
    variant.cpuNsOfChange = await measureChange(started, variant)
  }
  return finding(subjects, perSecond, isApart)
}

async function addOthers({ rig, backend: port }: SideBySide): Promise<void> {
  const body = { host: MOVING[0], port }
  const operations = Array.from({ length: OTHERS }, (_, n) => {
    return { method: 'PUT', path: `/v1/upstreams/other${n}/instances/i0`, body }
  })
  operations.push({ method: 'PUT', path: '/v1/upstreams/sluice/instances/moving', body })
  await rig.batch(operations)
}

async function warmUp(port: number): Promise<void> {
  const driver = new Driver({ host: '127.0.0.1', port }, 'sluice.localhost', 8)
  await pooled([driver])
  driver.close()
}

async function measure(wrk: string, started: SideBySide, variant: Variant): Promise<number> {
  const pacer = startPacer(started, variant)
  const url = `http://127.0.0.1:${started.port}/`
  const before = spentNs(started)
  try {
    // Rejects when any answer was not 2xx, so no request is lost without a word.
    const header = 'Accept-Encoding: gzip'
    const options = { wrk, url, host: 'sluice.localhost', seconds: SECONDS, header }
    const perSecond = await throughput(options)
    variant.cpuNs.push((spentNs(started) - before) / (perSecond * SECONDS))
    return perSecond
  } finally {
    const report = await pacer?.stop()
    if (report !== undefined) {
      variant.paced.push(report)
    }
  }
}

/**
 * What is left over when there are no requests: the change itself, and what the worker does by
 * itself each second.
 */
async function measureChange(started: SideBySide, variant: Variant): Promise<number | undefined> {
  const pacer = startPacer(started, variant)
  if (pacer === undefined) {
    return undefined
  }
  const before = spentNs(started)
  await sleep(CHANGES_ALONE_MS)
  const { done } = await pacer.stop()
  return (spentNs(started) - before) / done
}

function startPacer({ rig, backend }: SideBySide, { change }: Variant): Pacer | undefined {
  if (change === undefined) {
    return undefined
  }
  return new Pacer(PER_SECOND, (number) => {
    const { path, body } = change(number, backend)
    return rig.change('PUT', path, body)
  })
}

function spentNs({ nginx }: SideBySide): number {
  return sum(nginx.workers().map(cpuNs))
}

const COLUMNS = [
  'what changes',
  'changes',
  'refused or late',
  'requests/s',
  '/ quiet',
  'worker CPU for each request',
  '/ quiet',
  'worker CPU for each change, no requests',
]

function finding(subjects: Variant[], perSecond: number[][], isApart: boolean): PartResult {
  const [quiet = []] = perSecond
  const still = subjects[0]?.cpuNs ?? []
  const rows = subjects.map(({ name, paced, cpuNs, cpuNsOfChange }, index) => {
    const values = perSecond[index] ?? []
    const rate = paced.length === 0 ? '' : `${count(median(paced.map((each) => each.perSecond)))}/s`
    const failed = paced.length === 0 ? '' : count(sum(paced.map((each) => each.failed)))
    const load = [count(median(values)), ratio(pairedRatio(values, quiet))]
    const cpu = [`${(median(cpuNs) / 1000).toFixed(1)} us`, ratio(pairedRatio(cpuNs, still))]
    const alone = cpuNsOfChange === undefined ? '' : `${count(cpuNsOfChange / 1000)} us`
    return [name, rate, failed, ...load, ...cpu, alone]
  })
  return {
    title: `Throughput during ${PER_SECOND} changes a second`,
    how:
      `One worker of nginx with njs, wrk with 32 connections, ${ROUNDS} times ${SECONDS} s each, by turns; changes are ` +
      'single REST calls, each answered when it is durable and applied. Medians; ratios within a round.',
    columns: COLUMNS,
    rows,
    notes: [
      'No request failed: the part ends with an error when one does.',
      isApart
        ? 'The worker has a core to itself, and compresses each answer, so that it is what the others wait for; they share what is left.'
        : 'All share the machine: the calls themselves cost throughput. The worker’s CPU has them left out.',
    ],
    numbers: { subjects, perSecond, rounds: ROUNDS, seconds: SECONDS },
  }
}
