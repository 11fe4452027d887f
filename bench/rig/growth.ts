/** Instructions for a request while something in the table grows. */
import { join } from 'node:path'
import type { BatchOperation, Rig } from '../../lab/load/rig.js'
import { whenOpen, whenWritten } from '../../lab/load/compiled.js'
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { until } from '../../lab/until.js'
import { startAdopted, stopAdopted, withoutController } from './adopted.js'
import type { Adopted } from './adopted.js'
import { counting } from './side-by-side.js'
import { instructions, nginxInCallgrind } from '../trace/callgrind.js'
import { Driver } from '../load/drive.js'
import type { Bench } from '../report/report.js'
import { count, median } from '../report/statistics.js'
import { ensureTracers } from '../trace/tracers.js'
import type { Tracers } from '../trace/tracers.js'
import { startCheapBackends } from './cheap-backends.js'
import { pooled } from '../load/warm-up.js'
import { ENGINES, sized } from './sized.js'

export const COUNTED = sized(500, 20)
/** The median of them leaves out one in which a timer of nginx's went off. */
const TIMES = sized(3, 1)
export const CONNECTIONS = 8

/** Names the host of the static upstream, the control. */
const STATIC = 'static.localhost'

interface Growth {
  engine: 'njs' | 'qjs'
  /** Members of the static upstream. */
  members: readonly string[]
  backend: number
  /** Of what grows. */
  sizes: readonly number[]
  /** Host headers that are asked, through Sluice where none of `servers` has them. */
  asked: readonly string[]
  /** Whether it is also counted what nginx serves by itself, once it was given its lanes. */
  isCompiled?: boolean
  /** Further servers, given the port to listen at and the folder of Sluice's files. */
  servers?: (port: number, includes: string) => string
  /** Brings the table from one size to the next. */
  grow: (rig: Rig, from: number, to: number) => Promise<void>
}

export interface Grown {
  engine: string
  /** Instructions for a request, by size; of each of `asked` in its order. */
  sluice: number[][]
  /** Of each of `asked`, once nginx was given its lanes; those without a lane are no cheaper. */
  compiled: number[]
  statics: number[]
}

/**
 * {@link countGrowth} of each engine, before cheap backends at `members`. Throws where valgrind
 * cannot run.
 */
export async function countEngines(
  bench: Bench,
  members: string[],
  growthAt: (backend: number) => Omit<Growth, 'engine' | 'members' | 'backend'>,
): Promise<Grown[]> {
  const tracers = await ensureTracers((line) => bench.say(line))
  if (tracers === undefined) {
    throw new Error('valgrind cannot run here')
  }
  const { nginx } = await tools()
  const backend = await freePort()
  await startCheapBackends(bench, nginx, members, backend)
  const counted: Grown[] = []
  for (const engine of ENGINES) {
    const growth = { engine, members, backend, ...growthAt(backend) }
    counted.push(await countGrowth(bench, tracers, growth))
  }
  return counted
}

/**
 * Instructions of a worker for a request while what is in the table grows, beside a static upstream
 * of the same nginx.
 */
async function countGrowth(bench: Bench, tracers: Tracers, growth: Growth): Promise<Grown> {
  const { engine, sizes, asked } = growth
  const { nginx } = await tools()
  const folder = join(bench.folder, `callgrind-${engine}`)
  const port = await freePort()
  const servers = (includes: string): string => printServers(port, growth, includes)
  const traced = nginxInCallgrind(tracers, nginx, folder)
  const env = growth.isCompiled === true ? { SLUICE_COMPILED: 'auto' } : {}
  const adopted = await startAdopted(bench, { nginx, traced, engine, servers, port, env })
  const drivers = driversFor(port, [STATIC, ...asked])
  const found = drivers.map((): number[] => [])
  let there = 0
  for (const size of sizes) {
    bench.say(`${engine}: ${count(size)}`)
    await growth.grow(adopted.rig, there, size)
    there = size
    await pooled(drivers)
    const counts = await countAll(tracers, folder, adopted, drivers)
    counts.forEach((count, index) => found[index]?.push(count))
    await level(adopted.rig)
  }
  drivers.forEach((driver) => driver.close())
  const compiled: number[] = []
  if (growth.isCompiled === true) {
    bench.say(`${engine}: compiled`)
    await compile(adopted)
    const again = driversFor(port, asked)
    compiled.push(...(await countAll(tracers, folder, adopted, again)))
    again.forEach((driver) => driver.close())
  }
  await stopAdopted(adopted)
  const [statics = [], ...sluice] = found
  return { engine, sluice, compiled, statics }
}

function driversFor(port: number, hosts: readonly string[]): Driver[] {
  return hosts.map((host) => new Driver({ host: '127.0.0.1', port }, host, CONNECTIONS))
}

/** nginx is given the lanes that there are, and all of their gates are open. */
async function compile({ rig, nginx }: Adopted): Promise<void> {
  await whenWritten(rig.home)
  await nginx.renewWorkers()
  await whenOpen(rig.home)
}

/** What a request of each driver takes. */
async function countAll(
  tracers: Tracers,
  folder: string,
  adopted: Adopted,
  drivers: Driver[],
): Promise<number[]> {
  const worker = adopted.nginx.workers()[0] ?? 0
  const found: number[] = []
  await withoutController(adopted, async () => {
    for (const driver of drivers) {
      found.push(await countOne(tracers, folder, worker, driver))
    }
  })
  return found
}

function printServers(port: number, growth: Growth, includes: string): string {
  const { members, backend } = growth
  const printed = members.map((host) => `server ${host}:${backend};`).join(' ')
  const { zone, limit } = counting('static')
  return `upstream static { zone static 256k; ${printed} keepalive 256; }
${zone}
server { listen 127.0.0.1:${port}; server_name ${STATIC};
    location / { proxy_buffering off; ${limit} include "${includes}/headers.conf"; proxy_pass http://static; } }
${growth.servers?.(port, includes) ?? ''}
server { listen 127.0.0.1:${port} default_server; include "${includes}/server.conf"; }`
}

/** What a request of the driver takes. */
async function countOne(
  tracers: Tracers,
  folder: string,
  worker: number,
  driver: Driver,
): Promise<number> {
  // Behind these stands nothing any more that the worker was asked before, and each instance has
  // as many connections as it will need.
  await driver.run(10 * CONNECTIONS)
  const totals: number[] = []
  for (let time = 0; time < TIMES; time++) {
    totals.push(await instructions(tracers, folder, worker, () => driver.run(COUNTED)))
  }
  return median(totals) / COUNTED
}

/** In callgrind nginx may take longer than a call waits, and then the call answers "pending". */
export async function applyAll(
  rig: Rig,
  operations: BatchOperation[],
  batchSize: number,
): Promise<void> {
  for (let at = 0; at < operations.length; at += batchSize) {
    const batch = operations.slice(at, at + batchSize)
    const { status, body } = await rig.call('POST', '/v1/batch', { operations: batch })
    if (status < 200 || status > 299) {
      throw new Error(`a batch was refused: ${status} ${JSON.stringify(body)}`)
    }
    await level(rig)
  }
}

/** Resolves when nginx has all that the registry says. */
async function level(rig: Rig): Promise<void> {
  const isApplied = async (): Promise<boolean> => {
    const { body } = await rig.call('GET', '/v1/gateways')
    return body.gateways?.every(({ applied, desired }) => applied === desired) ?? false
  }
  await until(isApplied, { deadlineMs: 300_000, what: 'all changes in the table' })
}
