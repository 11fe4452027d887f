/** Instructions for a request while something in the table grows. */
import { join } from 'node:path'
import type { BatchOperation, Rig } from '../../lab/load/rig.js'
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { until } from '../../lab/until.js'
import { startAdopted, stopAdopted, withoutController } from './adopted.js'
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
  /** Host headers that are asked through Sluice. */
  asked: readonly string[]
  /** Brings the table from one size to the next. */
  grow: (rig: Rig, from: number, to: number) => Promise<void>
}

export interface Grown {
  engine: string
  /** Instructions for a request, by size; of each of `asked` in its order. */
  sluice: number[][]
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
  const adopted = await startAdopted(bench, { nginx, traced, engine, servers, port })
  const drivers = [STATIC, ...asked].map(
    (host) => new Driver({ host: '127.0.0.1', port }, host, CONNECTIONS),
  )
  const worker = adopted.nginx.workers()[0] ?? 0
  const found = drivers.map((): number[] => [])
  let there = 0
  for (const size of sizes) {
    bench.say(`${engine}: ${count(size)}`)
    await growth.grow(adopted.rig, there, size)
    there = size
    await pooled(drivers)
    await withoutController(adopted, async () => {
      for (const [index, driver] of drivers.entries()) {
        found[index]?.push(await countOne(tracers, folder, worker, driver))
      }
    })
    await level(adopted.rig)
  }
  for (const driver of drivers) {
    driver.close()
  }
  await stopAdopted(adopted)
  const [statics = [], ...sluice] = found
  return { engine, sluice, statics }
}

function printServers(port: number, { members, backend }: Growth, includes: string): string {
  const printed = members.map((host) => `server ${host}:${backend};`).join(' ')
  const { zone, limit } = counting('static')
  return `upstream static { zone static 256k; ${printed} keepalive 256; }
${zone}
server { listen 127.0.0.1:${port}; server_name ${STATIC};
    location / { proxy_buffering off; ${limit} include "${includes}/headers.conf"; proxy_pass http://static; } }
server { listen 127.0.0.1:${port} default_server; include "${includes}/server.conf"; }`
}

/** What a request of the driver takes. */
async function countOne(
  tracers: Tracers,
  folder: string,
  worker: number,
  driver: Driver,
): Promise<number> {
  // Behind these stands nothing any more that the worker was asked before.
  await driver.run(CONNECTIONS)
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
