/** Servers measured by turns, in CPU and throughput. */
import { Driver, interleave } from '../load/drive.js'
import type { PlainNginx } from './plain-nginx.js'
import type { Bench } from '../report/report.js'
import { count, median, pairedRatio, ratio } from '../report/statistics.js'
import { pooled } from '../load/warm-up.js'
import { throughput } from '../load/wrk.js'

/**
 * One worker of one nginx with three servers: its static upstream, the same again, and what is
 * compared with it.
 */
export interface Subject {
  name: string
  nginx: PlainNginx
  port: number
  hosts: string[]
}

export interface Measured {
  name: string
  /** Nanoseconds of the worker for each request, by server and round. */
  cpuNs: number[][]
  /** Requests a second, by server and round; undefined without wrk. */
  perSecond: number[][] | undefined
}

export interface Rounds {
  rounds: number
  /** Requests of one round to one server. */
  slice: number
  connections: number
  wrkRounds: number
  wrkSeconds: number
}

/** All servers of all subjects by turns. */
export async function measure(
  bench: Bench,
  subjects: Subject[],
  { rounds, slice, connections, wrkRounds, wrkSeconds }: Rounds,
  wrk: string | undefined,
): Promise<Measured[]> {
  const servers = subjects.flatMap(({ hosts, nginx, port }) =>
    hosts.map((host) => ({ host, nginx, port })),
  )
  const drivers = servers.map(
    ({ host, port }) => new Driver({ host: '127.0.0.1', port }, host, connections),
  )
  bench.onEnd(() => drivers.forEach((driver) => driver.close()))
  await pooled(drivers)
  bench.say(`${rounds} rounds of ${slice} requests to each of ${servers.length} servers`)
  const cpu = servers.map(({ nginx }, index) => async (): Promise<number> => {
    return (await drivers[index]?.cpuPerRequest(slice, nginx.workers())) ?? NaN
  })
  const cpuNs = await interleave(rounds, cpu)
  const load = servers.map(({ host, port }) => (): Promise<number> => {
    const url = `http://127.0.0.1:${port}/`
    return throughput({ wrk: wrk ?? '', url, host, seconds: wrkSeconds })
  })
  const perSecond = wrk === undefined ? undefined : await interleave(wrkRounds, load)
  return subjects.map(({ name }, index) => {
    const own = [index * 3, index * 3 + 3] as const
    return { name, cpuNs: cpuNs.slice(...own), perSecond: perSecond?.slice(...own) }
  })
}

/** Processor time of every subject, then throughput where it was measured. */
export function rowsOf(measured: Measured[]): string[][] {
  const us = (value: number): string => `${(value / 1000).toFixed(1)} us`
  const cpu = measured.map(({ name, cpuNs }) =>
    row(`${name}: worker CPU for each request`, cpuNs, us),
  )
  const load = measured.flatMap(({ name, perSecond }) =>
    perSecond === undefined
      ? []
      : [row(`${name}: requests/s of one worker (wrk)`, perSecond, count)],
  )
  return [...cpu, ...load]
}

function row(what: string, values: number[][], print: (value: number) => string): string[] {
  const [first = [], again = [], compared = []] = values
  const medians = [first, again, compared].map((each) => print(median(each)))
  return [what, ...medians, ratio(pairedRatio(again, first)), ratio(pairedRatio(compared, first))]
}
