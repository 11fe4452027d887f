/** Latency at half load, against a static upstream. */
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { SIDES, startSideBySide } from '../rig/side-by-side.js'
import { startCheapBackends } from '../rig/cheap-backends.js'
import { Driver, interleave } from '../load/drive.js'
import { OpenLoop, QUANTILES, quantiles } from '../load/open-loop.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, median, ms, pairedRatio, ratio } from '../report/statistics.js'
import { pooled } from '../load/warm-up.js'
import { ensureWrk, throughput } from '../load/wrk.js'
import { ENGINES, sized } from '../rig/sized.js'

const HOSTS = ['127.8.4.1', '127.8.4.2', '127.8.4.3']
const ROUNDS = sized(15, 1)
const SECONDS = sized(1, 0.2)
const WRK_SECONDS = 1
const CONNECTIONS = 64
const WRK_ROUNDS = sized(5, 1)

interface Measured {
  engine: string
  /** Requests a second of a saturated worker, by server. */
  saturated: number[]
  perSecond: number
  /** Milliseconds by quantile, server and round. */
  latencyMs: number[][][]
  lateness: string
}

export const latencyPart: Part = {
  name: 'latency',
  about: 'p50, p99 and p99.9 at half load, against a static upstream in the same nginx',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const wrk = await ensureWrk((line) => bench.say(line))
  if (wrk === undefined) {
    throw new Error('without wrk it is not known what half load is')
  }
  const { nginx } = await tools()
  const backend = await freePort()
  await startCheapBackends(bench, nginx, HOSTS, backend)
  const measured: Measured[] = []
  for (const engine of ENGINES) {
    const beside = await startSideBySide(bench, { engine, hosts: HOSTS, backend })
    await warmUp(beside.port)
    const saturated = await saturate(wrk, beside.port)
    // The same rate for all, and no more than half of what the slowest can.
    const perSecond = Math.round(Math.min(...saturated) / 2)
    bench.say(`${engine}: ${ROUNDS} rounds at ${count(perSecond)} requests/s`)
    const found = await measure(bench, beside.port, perSecond)
    measured.push({ engine, saturated, perSecond, ...found })
    await beside.rig.stop()
    await beside.nginx.stop()
  }
  return finding(measured)
}

async function warmUp(port: number): Promise<void> {
  const target = { host: '127.0.0.1', port }
  const drivers = SIDES.map((name) => new Driver(target, `${name}.localhost`, 8))
  await pooled(drivers)
  for (const driver of drivers) {
    driver.close()
  }
}

async function saturate(wrk: string, port: number): Promise<number[]> {
  const url = `http://127.0.0.1:${port}/`
  const measures = SIDES.map((name) => (): Promise<number> => {
    return throughput({ wrk, url, host: `${name}.localhost`, seconds: WRK_SECONDS })
  })
  return (await interleave(WRK_ROUNDS, measures)).map(median)
}

async function measure(
  bench: Bench,
  port: number,
  perSecond: number,
): Promise<Pick<Measured, 'latencyMs' | 'lateness'>> {
  const load = new OpenLoop(bench)
  const found = QUANTILES.map(() => SIDES.map((): number[] => []))
  const target = { host: '127.0.0.1', port }
  const slice = (index: number): (() => Promise<number>) => {
    const host = `${SIDES[index]}.localhost`
    return async () => {
      const asked = { target, host, perSecond, seconds: SECONDS, connections: CONNECTIONS }
      const values = quantiles(await load.run(asked))
      values.forEach((value, quantile) => found[quantile]?.[index]?.push(value))
      return NaN
    }
  }
  const slices = SIDES.map((_, index) => slice(index))
  // The first requests over a connection are slower than those that follow.
  for (const one of slices) {
    await one()
  }
  for (const values of found.flat()) {
    values.length = 0
  }
  await interleave(ROUNDS, slices)
  await load.stop()
  return { latencyMs: found, lateness: load.lateness() }
}

function finding(measured: Measured[]): PartResult {
  const rows = measured.flatMap(({ engine, latencyMs }) =>
    latencyMs.map((values, index) => row(`${engine}: p${100 * (QUANTILES[index] ?? NaN)}`, values)),
  )
  const loads = measured.map(({ engine, saturated, perSecond, lateness }) => {
    const [first = NaN, , sluice = NaN] = saturated
    return (
      `${engine}: ${count(perSecond)} requests/s; a worker saturated at ${count(first)} (static) and ` +
      `${count(sluice)} (Sluice). ${lateness}`
    )
  })
  return {
    title: 'Latency at half load',
    how:
      `One worker of one nginx with three servers, by turns ${ROUNDS} times for ${SECONDS} s, at one constant ` +
      'rate: half of what the slowest of them can. Each latency counts from when its request was due. ' +
      'Medians of slices; ratios are medians of ratios within a round.',
    columns: ['', ...SIDES, 'control', 'sluice / static'],
    rows,
    notes: [...loads, `Up to ${CONNECTIONS} connections, kept open; backends answer from memory.`],
    numbers: { measured, rounds: ROUNDS, seconds: SECONDS },
  }
}

function row(what: string, values: number[][]): string[] {
  const [first = [], again = [], sluice = []] = values
  const medians = [first, again, sluice].map((each) => us(median(each)))
  return [what, ...medians, ratio(pairedRatio(again, first)), ratio(pairedRatio(sluice, first))]
}

function us(valueMs: number): string {
  return valueMs < 10 ? `${Math.round(valueMs * 1000)} us` : ms(valueMs)
}
