import { join } from 'node:path'
import type { Operation, Rig } from '../test/support/load-rig.js'
import { freePort } from '../test/support/ports.js'
import { tools } from '../test/support/tools.js'
import { until } from '../test/support/until.js'
import { startAdopted } from './adopted.js'
import type { Adopted } from './adopted.js'
import { instructions, nginxInCallgrind } from './callgrind.js'
import { startCheapBackends } from './cheap-backends.js'
import { Driver } from './drive.js'
import type { Bench, Finding, Part } from './report.js'
import { count, median, ratio } from './statistics.js'
import { pooled } from './warm-up.js'
import { ensureTracers } from './tracers.js'
import type { Tracers } from './tracers.js'

const UPSTREAMS = [1, 100, 10_000]
const ENGINES = ['njs', 'qjs'] as const
/** All upstreams have these members: then the pool stays as it is, and the number of upstreams is all that grows. */
const HOSTS = Array.from({ length: 10 }, (_, n) => `127.8.5.${n + 1}`)
const COUNTED = 500
/** The median of them leaves out one in which a timer of nginx's went off. */
const TIMES = 3
const CONNECTIONS = 8
const BATCH = 100

/** Names that differ at their end and at their start, one of which is asked. */
const ASKED = 'asked'

interface Counted {
  engine: string
  /** For each request to Sluice, and to a static upstream in the same nginx, by number of upstreams. */
  sluice: number[]
  statics: number[]
}

export const scalePart: Part = {
  name: 'scale',
  about: 'instructions for a request at 1 and at 10,000 upstreams (pick has the instances)',
  run,
}

async function run(bench: Bench): Promise<Finding> {
  const tracers = await ensureTracers((line) => bench.say(line))
  if (tracers === undefined) throw new Error('valgrind cannot run here')
  const { nginx } = await tools()
  const backend = await freePort()
  await startCheapBackends(bench, nginx, HOSTS, backend)
  const counted: Counted[] = []
  for (const engine of ENGINES) counted.push(await countEngine(bench, tracers, engine, backend))
  return finding(counted)
}

async function countEngine(
  bench: Bench,
  tracers: Tracers,
  engine: (typeof ENGINES)[number],
  backend: number,
): Promise<Counted> {
  const { nginx } = await tools()
  const folder = join(bench.folder, `callgrind-${engine}`)
  const port = await freePort()
  const servers = (includes: string): string => printServers(port, backend, includes)
  const options = { nginx: nginxInCallgrind(tracers, nginx, folder), engine, servers, port }
  const adopted = await startAdopted(bench, options)
  const counted: Counted = { engine, sluice: [], statics: [] }
  const drivers = ['static', ASKED].map(
    (name) => new Driver({ host: '127.0.0.1', port }, `${name}.localhost`, CONNECTIONS),
  )
  let there = 0
  for (const upstreams of UPSTREAMS) {
    bench.say(`${engine}: ${count(upstreams)} upstreams`)
    await fill(adopted.rig, there, upstreams, backend)
    there = upstreams
    await pooled(drivers)
    await countEach(tracers, folder, adopted, drivers, [counted.statics, counted.sluice])
  }
  for (const driver of drivers) driver.close()
  await adopted.rig.stop()
  await adopted.nginx.stop()
  return counted
}

function printServers(port: number, backend: number, includes: string): string {
  const members = HOSTS.map((host) => `server ${host}:${backend};`).join(' ')
  return `upstream static { zone static 256k; ${members} keepalive 256; }
server { listen 127.0.0.1:${port}; server_name static.localhost;
    location / { proxy_buffering off; include "${includes}/headers.conf"; proxy_pass http://static; } }
server { listen 127.0.0.1:${port} default_server; include "${includes}/server.conf"; }`
}

async function fill(rig: Rig, from: number, to: number, port: number): Promise<void> {
  const operations: Operation[] = []
  for (let upstream = from; upstream < to; upstream++) {
    const name = upstream === 0 ? ASKED : `u${upstream}`
    // The asked one has them all, and each of the others one.
    const hosts = upstream === 0 ? HOSTS : [HOSTS[upstream % HOSTS.length] ?? '']
    hosts.forEach((host, index) => {
      const path = `/v1/upstreams/${name}/instances/i${index}`
      operations.push({ method: 'PUT', path, body: { host, port } })
    })
  }
  for (let at = 0; at < operations.length; at += BATCH) {
    const batch = operations.slice(at, at + BATCH)
    const { status } = await rig.call('POST', '/v1/batch', { operations: batch })
    if (status < 200 || status > 299) throw new Error(`a batch was refused: ${status}`)
    await until(() => isApplied(rig), { deadlineMs: 60_000, what: 'a batch in the table' })
  }
}

/** In callgrind nginx may take longer than a call waits, and then the call answers "pending". */
async function isApplied(rig: Rig): Promise<boolean> {
  const { body } = await rig.call('GET', '/v1/gateways')
  return body.gateways?.every(({ applied, desired }) => applied === desired) ?? false
}

/** Adds what a request of each driver takes to its list in `into`. */
async function countEach(
  tracers: Tracers,
  folder: string,
  { nginx }: Adopted,
  drivers: Driver[],
  into: number[][],
): Promise<void> {
  const worker = nginx.workers()[0] ?? 0
  for (const [index, driver] of drivers.entries()) {
    const totals: number[] = []
    for (let time = 0; time < TIMES; time++) {
      totals.push(await instructions(tracers, folder, worker, () => driver.run(COUNTED)))
    }
    into[index]?.push(median(totals) / COUNTED)
  }
}

function finding(counted: Counted[]): Finding {
  const row = (what: string, values: number[]): string[] => {
    const [first = NaN] = values
    const growth = values.map((value) => value / first)
    return [what, ...values.map(count), ratio(Math.max(...growth))]
  }
  const rows = counted.flatMap(({ engine, sluice, statics }) => [
    row(`${engine}: Sluice`, sluice),
    row(`${engine}: static upstream of the same nginx (control)`, statics),
    [
      `${engine}: Sluice / static`,
      ...sluice.map((value, index) => ratio(value / (statics[index] ?? NaN))),
      '',
    ],
  ])
  return {
    title: 'A request, at 1 and at 10,000 upstreams',
    how:
      `One upstream of ${HOSTS.length} instances is asked, and others are merely in the table; instructions ` +
      `of the worker for each of ${COUNTED} requests over ${CONNECTIONS} connections, by callgrind:`,
    columns: ['upstreams', ...UPSTREAMS.map(count), 'most / first'],
    rows,
    notes: [
      'All upstreams have the same members, so nginx’s pool does not grow; pick has what it adds.',
    ],
    numbers: { upstreams: UPSTREAMS, counted },
  }
}
