/** A TCP connection through a route, against a static upstream. */
import { connect } from 'node:net'
import { join } from 'node:path'
import { SLOTS } from '../../contract/table/limits.js'
import { GatewayClient } from '../../controller/push/gateway-client.js'
import type { NginxInfo } from '../../setup/nginx.js'
import { monotonicMs } from '../../lab/load/ledger.js'
import { cpuNs } from '../../lab/load/processes.js'
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { until } from '../../lab/until.js'
import { startAdopted, stopAdopted, withoutController } from '../rig/adopted.js'
import type { Adopted } from '../rig/adopted.js'
import { instructions, nginxInCallgrind } from '../trace/callgrind.js'
import { interleave, repeat } from '../load/drive.js'
import { PlainNginx } from '../rig/plain-nginx.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, median, pairedRatio, ratio } from '../report/statistics.js'
import { ensureTracers } from '../trace/tracers.js'
import type { Tracers } from '../trace/tracers.js'
import { ENGINES, sized } from '../rig/sized.js'

const HOSTS = Array.from({ length: 10 }, (_, n) => `127.8.9.${n + 1}`)
/**
 * Upstreams of the same instances: those of the first have seats (contract/seat.ts); in the second
 * one try is all.
 */
const UPSTREAMS = { seated: {}, once: { retry: { tries: 1 } } }
const COLUMNS = ['static', 'static again', 'Sluice', 'Sluice, one try']
const GREETING = 'bench\n'

const COUNTED = sized(300, 16)
const LANES = 16
const ROUNDS = sized(15, 1)
const SLICE = sized(500, 16)

interface Measured {
  engine: string
  /** For each connection, by port and round. */
  cpuNs: number[][]
  perSecond: number[][]
  instructions: number[] | undefined
}

export const tcpPart: Part = {
  name: 'tcp',
  about: 'a TCP connection through a route, against a static upstream in stream{}',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const tracers = await ensureTracers((line) => bench.say(line))
  const { nginx } = await tools()
  const backend = await freePort()
  await startBackends(bench, nginx, backend)
  const measured: Measured[] = []
  for (const engine of ENGINES) {
    bench.say(`${engine}: ${ROUNDS} rounds of ${SLICE} connections`)
    const counted = tracers && (await countEach(bench, tracers, engine, backend))
    measured.push({ engine, instructions: counted, ...(await time(bench, engine, backend)) })
  }
  return finding(measured)
}

/** They greet and close. */
async function startBackends(bench: Bench, nginx: NginxInfo, port: number): Promise<void> {
  const servers = HOSTS.map((host) => {
    return `server { listen ${host}:${port} backlog=4096; return "${GREETING}"; }`
  })
  const started = await PlainNginx.start({
    nginx,
    folder: join(bench.folder, 'backends'),
    main: ['worker_processes 1;', ...nginx.modules.map((path) => `load_module "${path}";`)].join(
      '\n',
    ),
    configuration: `server { listen 127.0.0.1:${port}; }`,
    stream: servers.join('\n'),
    port,
  })
  bench.onEnd(() => started.stop())
}

async function countEach(
  bench: Bench,
  tracers: Tracers,
  engine: 'njs' | 'qjs',
  backend: number,
): Promise<number[]> {
  const folder = join(bench.folder, `callgrind-${engine}`)
  const { adopted, ports } = await start(bench, engine, backend, { tracers, folder })
  const worker = adopted.nginx.workers()[0] ?? 0
  const found: number[] = []
  await withoutController(adopted, async () => {
    for (const port of ports) {
      await open(port, COUNTED)
      const total = await instructions(tracers, folder, worker, () => open(port, COUNTED))
      found.push(total / COUNTED)
    }
  })
  await stopAdopted(adopted)
  return found
}

async function time(
  bench: Bench,
  engine: 'njs' | 'qjs',
  backend: number,
): Promise<Pick<Measured, 'cpuNs' | 'perSecond'>> {
  const { adopted, ports } = await start(bench, engine, backend)
  const worker = adopted.nginx.workers()[0] ?? 0
  const perSecond = ports.map((): number[] => [])
  const slice = async (port: number, index: number): Promise<number> => {
    const [before, startMs] = [cpuNs(worker), monotonicMs()]
    await open(port, SLICE)
    perSecond[index]?.push((1000 * SLICE) / (monotonicMs() - startMs))
    return (cpuNs(worker) - before) / SLICE
  }
  const slices = ports.map((port, index) => () => slice(port, index))
  for (const once of slices) {
    await once()
  }
  for (const values of perSecond) {
    values.length = 0
  }
  const cpu = await interleave(ROUNDS, slices)
  await stopAdopted(adopted)
  return { cpuNs: cpu, perSecond }
}

/** One worker that has the same peers at four ports, in the order of the columns. */
async function start(
  bench: Bench,
  engine: 'njs' | 'qjs',
  backend: number,
  traced?: { tracers: Tracers; folder: string },
): Promise<{ adopted: Adopted; ports: number[] }> {
  const { nginx } = await tools()
  const [port, first, again] = [await freePort(), await freePort(), await freePort()]
  const ours = [await freePort(), await freePort()]
  const adopted = await startAdopted(bench, {
    nginx,
    ...(traced && { traced: nginxInCallgrind(traced.tracers, nginx, traced.folder) }),
    engine,
    port,
    env: { SLUICE_STREAM_PORTS: ours.join(',') },
    servers: () => `server { listen 127.0.0.1:${port}; }`,
    stream: (includes) =>
      `${printStatics([first, again], backend)}\ninclude "${includes}/stream.conf";`,
  })
  for (const [index, [upstream, policy]] of Object.entries(UPSTREAMS).entries()) {
    await adopted.rig.change('PUT', `/v1/upstreams/${upstream}`, { policy })
    await adopted.rig.batch(operationsOf(upstream, backend, ours[index] ?? 0))
  }
  const ports = [first, again, ...ours]
  await until(() => Promise.all(ports.map((each) => greet(each))), {
    what: 'a greeting at each port',
  })
  await waitUntilReady(adopted, ours)
  return { adopted, ports }
}

/** Until no connection to these ports asks an instance first: nginx learns of seats by and by. */
async function waitUntilReady({ rig }: Adopted, ports: number[]): Promise<void> {
  const gateway = new GatewayClient(join(rig.home, 'run/stream.sock'))
  const keys = ports.flatMap((port) =>
    Array.from({ length: SLOTS }, (_, slot) => `@tcp*${port}/${slot}`),
  )
  const isReady = async (): Promise<boolean> => !(await gateway.read(keys)).includes(null)
  await until(isReady, { what: 'seats for all', deadlineMs: 60_000 })
  await gateway.close()
}

function printStatics(ports: number[], backend: number): string {
  const members = HOSTS.map((host) => `server ${host}:${backend};`).join(' ')
  const printed = ports.map((port) => {
    const name = `static_${port}`
    return `upstream ${name} { zone ${name} 256k; ${members} }
server { listen 127.0.0.1:${port}; proxy_socket_keepalive on; tcp_nodelay on; proxy_pass ${name}; }`
  })
  return printed.join('\n')
}

function operationsOf(
  upstream: string,
  backend: number,
  port: number,
): Array<{ method: string; path: string; body: unknown }> {
  const instances = HOSTS.map((host, index) => ({
    method: 'PUT',
    path: `/v1/upstreams/${upstream}/instances/i${index}`,
    body: { host, port: backend },
  }))
  const body = { port, protocol: 'tcp', upstream }
  return [...instances, { method: 'PUT', path: `/v1/routes/${upstream}`, body }]
}

function open(port: number, times: number): Promise<void> {
  return repeat(times, LANES, () => greet(port))
}

/** One connection, from its start to its end. Rejects when it was closed without the greeting. */
function greet(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let received = ''
    const socket = connect({ host: '127.0.0.1', port })
    socket.on('data', (chunk) => (received += chunk.toString('latin1')))
    socket.on('error', reject)
    socket.on('close', () => {
      if (received === GREETING) {
        resolve(true)
      } else {
        reject(new Error(`port ${port} said ${JSON.stringify(received)}`))
      }
    })
  })
}

function finding(measured: Measured[]): PartResult {
  const us = (value: number): string => `${(value / 1000).toFixed(0)} us`
  const rows = measured.flatMap(({ engine, cpuNs, perSecond, instructions: counted }) => [
    ...(counted
      ? [
          row(
            `${engine}: instructions`,
            counted.map((each) => [each]),
            count,
          ),
        ]
      : []),
    row(`${engine}: worker CPU`, cpuNs, us),
    row(`${engine}: connections/s, ${LANES} at a time`, perSecond, count),
  ])
  return {
    title: 'A TCP connection',
    how:
      `One worker of one nginx has ${HOSTS.length} backends that greet and close: in an upstream{} of stream{}, in another one as a ` +
      'control, and as instances of a route’s upstream. For each connection, from its start to its end:',
    columns: ['', ...COLUMNS, 'control', 'Sluice / static', 'one try / static'],
    rows,
    notes: [
      'Each instance of the first upstream has a seat: nginx itself goes on where it refuses. Where it has none yet, ' +
        'Sluice connects to it before and leaves it again, by two servers of its own.',
      'Client, backends and nginx share the machine; connections/s are those of one client in Node.',
    ],
    numbers: { measured, rounds: ROUNDS, slice: SLICE },
  }
}

function row(what: string, values: number[][], print: (value: number) => string): string[] {
  const [first = [], ...others] = values
  const medians = values.map((each) => print(median(each)))
  return [what, ...medians, ...others.map((each) => ratio(pairedRatio(each, first)))]
}
