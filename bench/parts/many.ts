/** Memory of the workers for each request that is held open. */
import { totalPss } from '../../lab/load/processes.js'
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { startAdopted, stopAdopted } from '../rig/adopted.js'
import type { Adopted } from '../rig/adopted.js'
import { Driver, interleave } from '../load/drive.js'
import { Held } from '../rig/held.js'
import type { Kind } from '../rig/held.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, median } from '../report/statistics.js'
import { pooled } from '../load/warm-up.js'
import { ENGINES, sized } from '../rig/sized.js'

/**
 * How many are held. With QuickJS each has a context of some 370 KB, so ten thousand would take 4
 * GB, and by the hop 8.
 */
const HELD = sized({ njs: 10_000, qjs: 1000 }, { njs: 40, qjs: 20 })
const ROUNDS = sized(3, 1)
type Engine = (typeof ENGINES)[number]
const KINDS: ReadonlyArray<Kind> = sized(['events', 'sockets'], ['events'])
const KIND_NAMES = { events: 'server-sent events', sockets: 'WebSockets' }
const HOSTS = Array.from({ length: 10 }, (_, n) => `127.8.6.${n + 1}`)

/**
 * A request takes two connections of a worker, one by the hop four, one by the judge six; a process
 * may have 20,000 files here.
 */
const WORKERS = 4
const CONNECTIONS = 18_000

/** An upstream for each way that a request may go, and what makes it go there. */
const WAYS = {
  static: undefined,
  random: {},
  'least-conn': { balance: 'leastConn' },
  hop: { retry: { nonIdempotent: true } },
  judge: { retry: { statuses: [503] } },
}
type Way = keyof typeof WAYS
const NAMES = Object.keys(WAYS) as Way[]

interface Measured {
  engine: Engine
  kind: Kind
  /** Bytes for each request that is held, by way and round. */
  bytes: number[][]
}

export const manyPart: Part = {
  name: 'many',
  about:
    'memory of the workers for each of 10,000 requests held at a time, against a static upstream',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const backend = await freePort()
  const held = await Held.start(bench, HOSTS, backend)
  const measured: Measured[] = []
  for (const engine of ENGINES) {
    const port = await freePort()
    const adopted = await start(bench, engine, port, backend)
    for (const kind of KINDS) {
      bench.say(`${engine}: ${count(HELD[engine])} ${KIND_NAMES[kind]}, ${ROUNDS} rounds`)
      const weighs = NAMES.map(
        (way) => () => weigh(bench, held, adopted, { port, way, kind, count: HELD[engine] }),
      )
      measured.push({ engine, kind, bytes: await interleave(ROUNDS, weighs) })
    }
    await stopAdopted(adopted)
  }
  return finding(measured)
}

async function start(
  bench: Bench,
  engine: Engine,
  port: number,
  backend: number,
): Promise<Adopted> {
  const { nginx } = await tools()
  const servers = (includes: string): string => printServers(port, backend, includes)
  const sizes = { workers: WORKERS, connections: CONNECTIONS }
  const adopted = await startAdopted(bench, { nginx, engine, servers, port, ...sizes })
  for (const way of NAMES) {
    const policy = WAYS[way]
    if (policy === undefined) {
      continue
    }
    await adopted.rig.change('PUT', `/v1/upstreams/${way}`, { policy })
    const operations = HOSTS.map((host, index) => ({
      method: 'PUT',
      path: `/v1/upstreams/${way}/instances/i${index}`,
      body: { host, port: backend },
    }))
    await adopted.rig.batch(operations)
  }
  return adopted
}

/**
 * With a socket for each worker the kernel deals out the clients evenly; of one, the first to wake
 * would take most.
 */
function printServers(port: number, backend: number, includes: string): string {
  const members = HOSTS.map((host) => `server ${host}:${backend};`).join(' ')
  // To open them all may take longer than nginx waits for the next word of the first ones.
  return `proxy_read_timeout 1h;
upstream static { zone static 256k; ${members} keepalive 256; }
server { listen 127.0.0.1:${port}; server_name static.localhost;
    location / { proxy_buffering off; include "${includes}/headers.conf"; proxy_pass http://static; } }
server { listen 127.0.0.1:${port} default_server reuseport backlog=4096; include "${includes}/server.conf"; }`
}

/** Bytes that all workers together have more for each request, while they hold them. */
async function weigh(
  bench: Bench,
  held: Held,
  { nginx }: Adopted,
  { port, way, kind, count }: { port: number; way: Way; kind: Kind; count: number },
): Promise<number> {
  const host = `${way}.localhost`
  await nginx.renewWorkers()
  const driver = new Driver({ host: '127.0.0.1', port }, host, 32)
  await pooled([driver])
  driver.close()
  const before = totalPss(nginx.workers())
  await held.open({ port, host, kind, count })
  await held.check(count)
  const bytes = (totalPss(nginx.workers()) - before) / count
  bench.say(`${way}: ${Math.round(bytes)} bytes each`)
  await held.close()
  return bytes
}

function finding(measured: Measured[]): PartResult {
  const kilobytes = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KB`
  const rows = measured.map(({ engine, kind, bytes }) => {
    const [statics = [], ...others] = bytes
    const more = others.map((values) =>
      median(values.map((value, i) => value - (statics[i] ?? NaN))),
    )
    return [
      `${engine}: ${count(HELD[engine])} ${KIND_NAMES[kind]}`,
      kilobytes(median(statics)),
      ...more.map(kilobytes),
    ]
  })
  return {
    title: 'Requests held at a time',
    how:
      `${WORKERS} workers of one nginx, new ones for each row and column; ${ROUNDS} rounds by turns. Memory (PSS) of all ` +
      'workers for each request, medians; with Sluice what it is more than the static upstream’s of the same round:',
    columns: ['', 'static upstream', ...NAMES.slice(1).map((name) => `${name}, more`)],
    rows,
    notes: [
      'All of them answered, and each client heard another word of its backend while all were held.',
      '“hop”: the upstream tries again what is not idempotent, so each request takes the hop too.',
      '“judge”: the upstream tries again by status, so each request takes the hop and the judge.',
      'Memory of the kernel for sockets is not in it; each of these servers has two more of them.',
    ],
    numbers: { measured, held: HELD, rounds: ROUNDS, workers: WORKERS },
  }
}
