/** Latency by each balance when one instance of four is slow. */
import { createServer } from 'node:http'
import type { Rig } from '../../lab/load/rig.js'
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { startAdopted } from '../rig/adopted.js'
import { setBalance } from '../rig/balances.js'
import { interleave } from '../load/drive.js'
import { startEveryAddress } from '../rig/hit-counter.js'
import { OpenLoop, QUANTILES, quantiles } from '../load/open-loop.js'
import type { PacedRun } from '../load/open-loop.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, median, ms, pairedRatio, ratio } from '../report/statistics.js'
import { sized } from '../rig/sized.js'

/** Each with what nginx itself calls it, as the control. */
const BALANCES = [
  { name: 'random', native: 'random;' },
  { name: 'leastConn', native: 'least_conn;' },
  { name: 'randomTwo', native: 'random two least_conn;' },
]
const FAST = ['127.22.0.1', '127.22.0.2', '127.22.0.3']
const SLOW = '127.22.0.4'
/**
 * Long enough that few requests a second can be at the slow one, when no second one is sent there.
 */
const SLOW_MS = sized(200, 20)
const PER_SECOND = sized(1500, 100)
const SECONDS = sized(2, 0.1)
const ROUNDS = sized(7, 1)
/**
 * More than are ever in flight: a quarter of the rate for as long as the slow one takes, and room.
 */
const CONNECTIONS = 256
const WORKERS = 2

interface Subject {
  name: string
  port: number
  host: string
  /** Milliseconds by quantile and round. */
  latencyMs: number[][]
}

export const slowOnePart: Part = {
  name: 'slow-one',
  about: 'p99 by each balance when one instance of four is slow',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const { nginx } = await tools()
  const [backend, port] = [await freePort(), await freePort()]
  await startEveryAddress(bench, nginx, backend)
  const slow = await startSlow(bench)
  const members = [...FAST.map((host) => ({ host, port: backend })), { host: SLOW, port: slow }]
  // All in one nginx: what the machine does to one of them it does to the others.
  const servers = (includes: string): string => printServers(port, members, includes)
  const options = { nginx, engine: 'njs', workers: WORKERS, servers, port } as const
  const { rig } = await startAdopted(bench, options)
  const subjects = BALANCES.map(({ name, native }) => {
    return subject(`nginx, ${native.slice(0, -1)}`, port, nativeName(name))
  })
  const skipped: string[] = []
  for (const { name } of BALANCES) {
    const refused = await register(rig, name, members)
    if (refused === undefined) {
      subjects.push(subject(`Sluice, ${name}`, port, name.toLowerCase()))
    } else {
      skipped.push(`${name}: skipped, this Sluice refuses it (${refused})`)
    }
  }
  const lateness = await measure(bench, subjects)
  return finding(subjects, [lateness, ...skipped])
}

function nativeName(balance: string): string {
  return `native-${balance.toLowerCase()}`
}

function subject(name: string, port: number, upstream: string): Subject {
  return { name, port, host: `${upstream}.localhost`, latencyMs: QUANTILES.map(() => []) }
}

async function startSlow(bench: Bench): Promise<number> {
  const server = createServer((_, response) => {
    setTimeout(() => response.end('slow\n'), SLOW_MS)
  })
  server.keepAliveTimeout = 0
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen({ host: SLOW, port }, resolve))
  bench.onEnd(() => {
    server.close()
    server.closeAllConnections()
  })
  return port
}

interface Member {
  host: string
  port: number
}

/** nginx’s own balances over the same members, and Sluice for every other name. */
function printServers(port: number, members: Member[], includes: string): string {
  const servers = members.map(({ host, port }) => `server ${host}:${port};`).join(' ')
  const printed = BALANCES.map(({ name, native }) => {
    const upstream = nativeName(name)
    return `upstream ${upstream} { zone ${upstream} 256k; ${native} ${servers} keepalive 256; }
server { listen 127.0.0.1:${port}; server_name ${upstream}.localhost;
    location / { proxy_buffering off; include "${includes}/headers.conf"; proxy_pass http://${upstream}; } }`
  })
  const ours = `server { listen 127.0.0.1:${port} default_server; include "${includes}/server.conf"; }`
  return [...printed, ours].join('\n')
}

async function register(rig: Rig, balance: string, members: Member[]): Promise<string | undefined> {
  const upstream = balance.toLowerCase()
  const refused = await setBalance(rig, upstream, balance)
  if (refused !== undefined) {
    return refused
  }
  const operations = members.map((body, index) => {
    const path = `/v1/upstreams/${upstream}/instances/i${index}`
    return { method: 'PUT', path, body }
  })
  await rig.batch(operations)
  return undefined
}

async function measure(bench: Bench, subjects: Subject[]): Promise<string> {
  const load = new OpenLoop(bench)
  const slice =
    ({ host, port, latencyMs }: Subject) =>
    async (): Promise<number> => {
      const target = { host: '127.0.0.1', port }
      const run: PacedRun = {
        target,
        host,
        perSecond: PER_SECOND,
        seconds: SECONDS,
        connections: CONNECTIONS,
      }
      const values = quantiles(await load.run(run))
      values.forEach((value, quantile) => latencyMs[quantile]?.push(value))
      return NaN
    }
  const slices = subjects.map(slice)
  // The pool learns its members about a second late, and by then each of them has been asked.
  for (const one of slices) {
    await one()
  }
  for (const { latencyMs } of subjects) {
    latencyMs.forEach((values) => (values.length = 0))
  }
  bench.say(`${ROUNDS} rounds of ${SECONDS} s at ${count(PER_SECOND)} requests/s`)
  await interleave(ROUNDS, slices)
  await load.stop()
  return load.lateness()
}

function finding(subjects: Subject[], notes: string[]): PartResult {
  const [, p99OfNginx = []] = subjects[0]?.latencyMs ?? []
  const rows = subjects.map(({ name, latencyMs }) => {
    const [, p99 = []] = latencyMs
    return [
      name,
      ...latencyMs.map((values) => ms(median(values))),
      ratio(pairedRatio(p99, p99OfNginx)),
    ]
  })
  return {
    title: 'One slow instance of four',
    how:
      `Three instances that answer at once and one that takes ${SLOW_MS} ms; ${count(PER_SECOND)} requests/s at a ` +
      `constant rate to ${WORKERS} workers, ${ROUNDS} times ${SECONDS} s each, by turns. Medians of slices.`,
    columns: ['', 'p50', 'p99', 'p99.9', 'p99 / that of nginx’s random'],
    rows,
    notes: [
      'By chance a quarter of all requests wait for the slow one; where it is avoided, fewer than one in a hundred do.',
      ...notes,
    ],
    numbers: {
      subjects,
      perSecond: PER_SECOND,
      slowMs: SLOW_MS,
    },
  }
}
