/** Instructions and calls of the kernel for a request, Sluice against static. */
import { join } from 'node:path'
import { startGateway } from '../../lab/nginx/gateway.js'
import type { Gateway } from '../../lab/nginx/gateway.js'
import { freePort } from '../../lab/ports.js'
import { hostUnit, namedSlots, upstreamUnit } from '../../lab/nginx/unit-builder.js'
import { tools } from '../../lab/tools.js'
import { instructions, nginxInCallgrind } from '../trace/callgrind.js'
import { OWN_LOG_FORMAT, ownLog } from './own-log.js'
import { counting } from './side-by-side.js'
import { startCheapBackends } from './cheap-backends.js'
import { Driver } from '../load/drive.js'
import type { Bench } from '../report/report.js'
import { countCalls } from '../trace/strace.js'
import { sized } from './sized.js'
import type { Tracers } from '../trace/tracers.js'

export interface CountOptions {
  engine: 'njs' | 'qjs'
  /** Peers of the upstream, on both sides. */
  peers: number
  /**
   * They are in the table, which says that the pool has them, and the pool has none: as when they
   * have just come.
   */
  missing?: boolean
  /** The static side does not count what is in flight, as Sluice's does. */
  uncounted?: boolean
  /** Both sides log each request: Sluice as `sluice start` does, the other in its own format. */
  logged?: boolean
}

/** For each request of a worker. */
export interface Counted {
  fixed: number
  sluice: number
  ratio: number
}

const HOST = 'web.test'
const REQUESTS = sized(1000, 20)
const CONNECTIONS = 8
/**
 * So many at a time leave an engine's contexts behind for all that are counted: to make one costs
 * what a thousand requests do.
 */
const WARMING = 64

/**
 * Instructions: exact but for what depends on time and chance. The static side is counted before
 * and after.
 */
export async function countInstructions(
  bench: Bench,
  tracers: Tracers,
  options: CountOptions,
): Promise<Counted> {
  // A folder for each gateway: its nginx is put there once.
  const name = Object.entries(options).flat().join('-')
  const folder = join(bench.folder, `callgrind-${name}`)
  const gateway = await startBoth(bench, options, { tracers, folder })
  const worker = (await gateway.state()).workers[0] ?? 0
  return both(gateway, (work) => instructions(tracers, folder, worker, work))
}

/** Calls of the kernel, by name, on the static side and on Sluice's. */
export async function countSystemCalls(
  bench: Bench,
  tracers: Tracers,
  options: CountOptions,
): Promise<Counted> {
  const gateway = await startBoth(bench, options)
  const worker = (await gateway.state()).workers[0] ?? 0
  return both(gateway, (work) => countCalls(tracers, bench.folder, worker, work))
}

async function both(
  gateway: Gateway,
  count: (work: () => Promise<unknown>) => Promise<number>,
): Promise<Counted> {
  const sides = [gateway.userPort, gateway.httpPort, gateway.userPort]
  const found: number[] = []
  for (const port of sides) {
    const target = { host: '127.0.0.1', port }
    const many = new Driver(target, HOST, WARMING)
    await many.run(REQUESTS)
    many.close()
    const driver = new Driver(target, HOST, CONNECTIONS)
    // Connections of both ends are there, and all that is made once, before it counts.
    await driver.run(REQUESTS / 2)
    found.push((await count(() => driver.run(REQUESTS))) / REQUESTS)
    driver.close()
  }
  const [before = NaN, sluice = NaN, after = NaN] = found
  const fixed = (before + after) / 2
  return { fixed, sluice, ratio: sluice / fixed }
}

/**
 * One worker with a static upstream at `userPort` and Sluice at `httpPort`; the same peers and
 * headers on both sides.
 */
async function startBoth(
  bench: Bench,
  { engine, peers, missing = false, uncounted = false, logged = false }: CountOptions,
  traced?: { tracers: Tracers; folder: string },
): Promise<Gateway> {
  const { nginx } = await tools()
  const backend = await freePort()
  const hosts = Array.from({ length: peers }, (_, i) => `127.8.3.${i + 1}`)
  await startCheapBackends(bench, nginx, hosts, backend)
  const addresses = hosts.map((host) => `${host}:${backend}`)
  const gateway = await startGateway(testOf(bench, 'counted'), {
    kind: engine,
    workers: 1,
    // A process that has given up root since it began cannot be made to count.
    user: 'root',
    conf: (port) => printStatic(port, addresses, { counted: !uncounted, logged }),
    accessLog: logged,
    ...(traced && { program: (info) => nginxInCallgrind(traced.tracers, info, traced.folder) }),
  })
  const pooled = addresses.map((address, i) => ({ id: `p${i}`, address, pooled: true }))
  const unit = upstreamUnit('web', pooled)
  const slots = logged ? namedSlots('web', unit, pooled) : unit
  await gateway.setTable(unit, hostUnit(HOST, [['/', ':web']], slots))
  if (!missing) {
    await gateway.fillPool(...addresses)
  }
  return gateway
}

/** A gateway for a test is one for a part of the bench too. */
export function testOf(bench: Bench, name: string): Parameters<typeof startGateway>[0] {
  return {
    name,
    passing: () => true,
    teardown: (end) => bench.onEnd(async () => void (await end())),
    comment: (...lines) => bench.say(lines.join(' ')),
  }
}

function printStatic(
  port: number,
  addresses: string[],
  { counted, logged }: { counted: boolean; logged: boolean },
): string {
  const members = addresses.map((address) => `server ${address};`).join(' ')
  const { zone, limit } = counted ? counting('fixed') : { zone: '', limit: '' }
  return `keepalive_requests 100000000;
upstream fixed { zone fixed 1m; ${members} keepalive 256; }
${zone}${logged ? OWN_LOG_FORMAT : ''}
server {
    listen 127.0.0.1:${port};
    ${logged ? ownLog('$HOME/logs/fixed.log') : ''}
    location / { proxy_buffering off; ${limit} include "$HOME/sluice/headers.conf"; proxy_pass http://fixed; }
}`
}
