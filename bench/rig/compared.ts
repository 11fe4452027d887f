/** The same change by Sluice and by a reload of nginx. */
import { startRig } from '../../lab/load/rig.js'
import type { Target } from '../../lab/load/connection.js'
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { PlainNginx } from './plain-nginx.js'
import { childPids } from '../../lab/load/processes.js'
import type { Bench } from '../report/report.js'
import { sized } from './sized.js'

/** One instance of an upstream, where a backend of the bench listens. */
export interface BenchInstance {
  upstream: string
  instance: string
  host: string
  port: number
}

/** Sluice, or nginx with reloads: it serves the upstreams of `instances`, and can move `probe`. */
export interface Compared {
  name: string
  target: Target
  /** nginx's master and all its workers, old ones too. */
  pids(): number[]
  /**
   * Change `number` puts `probe` where an even or odd number has it; returns what then serves, once
   * the call or command has ended.
   */
  move(number: number): Promise<string>
  stop(): Promise<void>
}

/** Other upstreams that are merely there, so that the configuration has a usual size. */
const IDLE_UPSTREAMS = sized(100, 5)
const IDLE_SERVERS = sized(10, 2)
const WORKERS = 2

export const compared = [startSluice, startStatic]

async function startSluice(bench: Bench, instances: BenchInstance[]): Promise<Compared> {
  const { nginx } = await tools()
  const rig = await startRig({ name: 'reload', nginx, workers: WORKERS })
  bench.onEnd(() => rig.stop())
  await rig.batch([...servingAt(instances, 0), ...idleInstances()].map(putOf))
  return {
    name: 'Sluice',
    target: { host: '127.0.0.1', port: rig.httpPort },
    pids: () => [rig.nginxPid(), ...rig.workers()],
    move: async (number) => {
      const { host, port, instance } = probeAt(instances, number)
      await rig.change('PUT', '/v1/upstreams/probe/instances/probe', { host, port })
      return instance
    },
    stop: () => rig.stop(),
  }
}

function putOf({ upstream, instance, host, port }: BenchInstance): {
  method: string
  path: string
  body: unknown
} {
  const id = upstream === 'probe' ? 'probe' : instance
  return { method: 'PUT', path: `/v1/upstreams/${upstream}/instances/${id}`, body: { host, port } }
}

async function startStatic(bench: Bench, instances: BenchInstance[]): Promise<Compared> {
  const { nginx } = await tools()
  const port = await freePort()
  const main = `worker_processes ${WORKERS};`
  const configured = (number: number): { main: string; configuration: string } => {
    const all = [...servingAt(instances, number), ...idleInstances()]
    return { main, configuration: printStatic(all, port) }
  }
  const folder = `${bench.folder}/static`
  const started = await PlainNginx.start({ nginx, folder, port, ...configured(0) })
  bench.onEnd(() => started.stop())
  return {
    name: 'nginx -s reload',
    target: { host: '127.0.0.1', port },
    pids: () => [started.pid, ...childPids(started.pid)],
    move: async (number) => {
      await started.reload(configured(number))
      return probeAt(instances, number).instance
    },
    stop: () => started.stop(),
  }
}

function probeAt(instances: BenchInstance[], number: number): BenchInstance {
  const probe = instances.filter(({ upstream }) => upstream === 'probe')[number % 2]
  if (probe === undefined) {
    throw new Error('probe has two instances')
  }
  return probe
}

function servingAt(instances: BenchInstance[], number: number): BenchInstance[] {
  return [...instances.filter(({ upstream }) => upstream !== 'probe'), probeAt(instances, number)]
}

function idleInstances(): BenchInstance[] {
  return Array.from({ length: IDLE_UPSTREAMS * IDLE_SERVERS }, (_, index) => {
    const upstream = `idle${index % IDLE_UPSTREAMS}`
    const [third, fourth] = [Math.floor(index / 250), (index % 250) + 1]
    return { upstream, instance: `${upstream}-${index}`, host: `127.5.${third}.${fourth}`, port: 9 }
  })
}

function printStatic(instances: BenchInstance[], port: number): string {
  const names = [...new Set(instances.map(({ upstream }) => upstream))]
  const blocks = names.map((name) => {
    const servers = instances
      .filter(({ upstream }) => upstream === name)
      .map(({ host, port }) => `server ${host}:${port};`)
    return `upstream ${name} { zone ${name} 64k; ${servers.join(' ')} keepalive 64; }
server { listen 127.0.0.1:${port}; server_name ${name}.localhost;
    location / { proxy_pass http://${name}; proxy_http_version 1.1; proxy_set_header Connection ""; } }`
  })
  return blocks.join('\n')
}
