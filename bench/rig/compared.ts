/** The same change by Sluice and by a reload of nginx. */
import { startRig } from '../../lab/load/rig.js'
import type { Target } from '../../lab/load/connection.js'
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { PlainNginx } from './plain-nginx.js'
import { childPids } from '../../lab/load/processes.js'
import type { Bench } from '../report/report.js'
import { sized } from './sized.js'

export interface Place {
  upstream: string
  instance: string
  host: string
  port: number
}

/** Two ways to the same end: the upstreams of `places`, of which `probe` can be moved. */
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

async function startSluice(bench: Bench, places: Place[]): Promise<Compared> {
  const { nginx } = await tools()
  const rig = await startRig({ name: 'reload', nginx, workers: WORKERS })
  bench.onEnd(() => rig.stop())
  await rig.batch([...servingAt(places, 0), ...idlePlaces()].map(putOf))
  return {
    name: 'Sluice',
    target: { host: '127.0.0.1', port: rig.httpPort },
    pids: () => [rig.nginxPid(), ...rig.workers()],
    move: async (number) => {
      const place = probeAt(places, number)
      const { host, port } = place
      await rig.change('PUT', '/v1/upstreams/probe/instances/probe', { host, port })
      return place.instance
    },
    stop: () => rig.stop(),
  }
}

function putOf({ upstream, instance, host, port }: Place): {
  method: string
  path: string
  body: unknown
} {
  const id = upstream === 'probe' ? 'probe' : instance
  return { method: 'PUT', path: `/v1/upstreams/${upstream}/instances/${id}`, body: { host, port } }
}

async function startStatic(bench: Bench, places: Place[]): Promise<Compared> {
  const { nginx } = await tools()
  const port = await freePort()
  const main = `worker_processes ${WORKERS};`
  const configured = (number: number): { main: string; configuration: string } => {
    const all = [...servingAt(places, number), ...idlePlaces()]
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
      return probeAt(places, number).instance
    },
    stop: () => started.stop(),
  }
}

function probeAt(places: Place[], number: number): Place {
  const place = places.filter(({ upstream }) => upstream === 'probe')[number % 2]
  if (place === undefined) {
    throw new Error('probe has two places')
  }
  return place
}

function servingAt(places: Place[], number: number): Place[] {
  return [...places.filter(({ upstream }) => upstream !== 'probe'), probeAt(places, number)]
}

function idlePlaces(): Place[] {
  return Array.from({ length: IDLE_UPSTREAMS * IDLE_SERVERS }, (_, index) => {
    const upstream = `idle${index % IDLE_UPSTREAMS}`
    const [third, fourth] = [Math.floor(index / 250), (index % 250) + 1]
    return { upstream, instance: `${upstream}-${index}`, host: `127.5.${third}.${fourth}`, port: 9 }
  })
}

function printStatic(places: Place[], port: number): string {
  const names = [...new Set(places.map(({ upstream }) => upstream))]
  const blocks = names.map((name) => {
    const servers = places
      .filter(({ upstream }) => upstream === name)
      .map((place) => `server ${place.host}:${place.port};`)
    return `upstream ${name} { zone ${name} 64k; ${servers.join(' ')} keepalive 64; }
server { listen 127.0.0.1:${port}; server_name ${name}.localhost;
    location / { proxy_pass http://${name}; proxy_http_version 1.1; proxy_set_header Connection ""; } }`
  })
  return blocks.join('\n')
}
