import { freePort } from '../test/support/ports.js'
import { tools } from '../test/support/tools.js'
import { BESIDE, startBeside } from './beside.js'
import { startCheapBackends } from './cheap-backends.js'
import { Driver, interleave } from './drive.js'
import { startLua } from './lua-nginx.js'
import type { PlainNginx } from './plain-nginx.js'
import type { Bench, Finding, Part } from './report.js'
import { count, median, pairedRatio, ratio } from './statistics.js'
import { pooled } from './warm-up.js'
import { ensureWrk, throughput } from './wrk.js'

const HOSTS = ['127.8.3.1', '127.8.3.2', '127.8.3.3']
const CONNECTIONS = 8
const ROUNDS = 30
const SLICE = 2500
const WRK_ROUNDS = 7
const WRK_SECONDS = 1

/** One nginx with three servers: its static upstream, the same again, and what is compared with it. */
interface Subject {
  name: string
  nginx: PlainNginx
  port: number
  hosts: string[]
}

interface Measured {
  name: string
  /** Nanoseconds of the worker for each request, by server and round. */
  cpuNs: number[][]
  /** Requests a second, by server and round; undefined without wrk. */
  perSecond: number[][] | undefined
}

export const luaPart: Part = {
  name: 'lua',
  about: 'Sluice and a Lua balancer, each against the static upstream of its own nginx',
  run,
}

async function run(bench: Bench): Promise<Finding> {
  const wrk = await ensureWrk((line) => bench.say(line))
  const { nginx } = await tools()
  const backend = await freePort()
  await startCheapBackends(bench, nginx, HOSTS, backend)
  const subjects: Subject[] = []
  for (const engine of ['njs', 'qjs'] as const) {
    const beside = await startBeside(bench, { engine, hosts: HOSTS, backend })
    const hosts = BESIDE.map((name) => `${name}.localhost`)
    subjects.push({ name: `Sluice, ${engine}`, nginx: beside.nginx, port: beside.port, hosts })
  }
  const lua = await startLua(bench, { hosts: HOSTS, backend })
  const luaHosts = ['static', 'again', 'lua'].map((name) => `${name}.localhost`)
  subjects.push({ name: 'Lua', nginx: lua.nginx, port: lua.port, hosts: luaHosts })
  const measured = await measure(bench, subjects, wrk)
  return finding(measured, lua.versions, leftActive(await lua.active()))
}

/** A balancer that loses count would be cheaper than one that does not. */
function leftActive(text: string): number {
  const counts = text
    .trim()
    .split('\n')
    .map((line) => Number(line.split(' ')[1]))
  return counts.reduce((total, value) => total + Math.abs(value), 0)
}

async function measure(
  bench: Bench,
  subjects: Subject[],
  wrk: string | undefined,
): Promise<Measured[]> {
  const servers = subjects.flatMap(({ hosts, nginx, port }) =>
    hosts.map((host) => ({ host, nginx, port })),
  )
  const drivers = servers.map(
    ({ host, port }) => new Driver({ host: '127.0.0.1', port }, host, CONNECTIONS),
  )
  bench.onEnd(() => drivers.forEach((driver) => driver.close()))
  await pooled(drivers)
  bench.say(`${ROUNDS} rounds of ${SLICE} requests to each of ${servers.length} servers`)
  const cpu = servers.map(({ nginx }, index) => async (): Promise<number> => {
    return (await drivers[index]?.cpuPerRequest(SLICE, nginx.workers())) ?? NaN
  })
  const cpuNs = await interleave(ROUNDS, cpu)
  const load = servers.map(({ host, port }) => (): Promise<number> => {
    const url = `http://127.0.0.1:${port}/`
    return throughput({ wrk: wrk ?? '', url, host, seconds: WRK_SECONDS })
  })
  const perSecond = wrk === undefined ? undefined : await interleave(WRK_ROUNDS, load)
  return subjects.map(({ name }, index) => {
    const own = [index * 3, index * 3 + 3] as const
    return { name, cpuNs: cpuNs.slice(...own), perSecond: perSecond?.slice(...own) }
  })
}

function finding(measured: Measured[], lua: string, left: number): Finding {
  const us = (value: number): string => `${(value / 1000).toFixed(1)} us`
  const cpu = measured.map(({ name, cpuNs }) =>
    row(`${name}: worker CPU for each request`, cpuNs, us),
  )
  const load = measured.flatMap(({ name, perSecond }) =>
    perSecond === undefined
      ? []
      : [row(`${name}: requests/s of one worker (wrk)`, perSecond, count)],
  )
  return {
    title: 'Sluice and a Lua balancer, each against its own nginx’s static upstream',
    how:
      `Three nginx of one worker with the same backends, by turns: ${ROUNDS} rounds of ${SLICE} requests ` +
      `over ${CONNECTIONS} connections; wrk ${WRK_ROUNDS} times ${WRK_SECONDS} s over 32. Medians; ratios are ` +
      'medians of ratios within a round.',
    columns: ['', 'static', 'static again', 'dynamic', 'control', 'dynamic / static'],
    rows: [...cpu, ...load],
    notes: [
      `Lua: ${lua}; balancer_by_lua with a shared dict, a count of what is in flight, one more try, keepalive.`,
      `In flight by the Lua balancer’s own count when all had been answered: ${left}.`,
      'Lua’s balancer knows no draining and is not told of changes by anyone; it is the way to the peer alone.',
    ],
    numbers: { measured, lua, left, rounds: ROUNDS, slice: SLICE },
  }
}

function row(what: string, values: number[][], print: (value: number) => string): string[] {
  const [first = [], again = [], dynamic = []] = values
  const medians = [first, again, dynamic].map((each) => print(median(each)))
  return [what, ...medians, ratio(pairedRatio(again, first)), ratio(pairedRatio(dynamic, first))]
}
