/** A static upstream, the same again, and Sluice, in one nginx. */
import { join } from 'node:path'
import { accessLogLines } from '../../nginx/access-log-conf.js'
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { startAdopted } from './adopted.js'
import type { Adopted } from './adopted.js'
import { OWN_LOG_FORMAT, ownLog } from './own-log.js'
import type { Bench } from '../report/report.js'

/**
 * The servers that stand beside each other in one nginx, in the order of every row; each at
 * `<name>.localhost`.
 */
export const SIDES = ['static', 'again', 'sluice'] as const

export interface SideBySide extends Adopted {
  port: number
  backend: number
}

/**
 * An upstream{} with zone and keepalive, the same again as its control, and Sluice, all in one
 * nginx, of one worker if not set otherwise.
 */
export async function startSideBySide(
  bench: Bench,
  options: {
    engine: 'njs' | 'qjs'
    hosts: readonly string[]
    backend: number
    workers?: number
    /** For http{}, so for all of them. */
    directives?: string
    /** All log each request: Sluice as `sluice start` does, the others in a format of theirs. */
    logged?: boolean
  },
): Promise<SideBySide> {
  const { engine, hosts, backend, workers = 1, directives = '', logged = false } = options
  const { nginx } = await tools()
  const port = await freePort()
  const servers = (includes: string): string => {
    const headers = `include "${includes}/headers.conf";`
    const log = logged ? ownLog(join(bench.folder, `static-${port}.log`)) : ''
    const ourLog = logged ? accessLogLines(join(bench.folder, `sluice-${port}.log`)).join(' ') : ''
    const ours = `server { listen 127.0.0.1:${port} default_server; ${ourLog} include "${includes}/server.conf"; }`
    const statics = printStatics({ port, hosts, backend, headers, log })
    return [directives, ...(logged ? [OWN_LOG_FORMAT] : []), statics, ours].join('\n')
  }
  const adopted = await startAdopted(bench, { nginx, engine, workers, servers, port, logged })
  await register(adopted, 'sluice', hosts, backend)
  return { ...adopted, port, backend }
}

async function register(
  { rig }: Adopted,
  upstream: string,
  hosts: readonly string[],
  port: number,
): Promise<void> {
  const operations = hosts.map((host, index) => {
    const path = `/v1/upstreams/${upstream}/instances/i${index}`
    return { method: 'PUT', path, body: { host, port } }
  })
  await rig.batch(operations)
}

/**
 * A static side counts what is in flight as Sluice does, by a limit_conn that nothing reaches:
 * `zone` for http{}, `limit` for the location.
 */
export function counting(name: string): { zone: string; limit: string } {
  const zone = `limit_conn_zone "$proxy_host/$pid" zone=${name}_active:4m;`
  return { zone, limit: `limit_conn ${name}_active 65535;` }
}

/**
 * The static upstream and its control. `headers` is what both sides send to their peers, so that
 * only the way there differs.
 */
export function printStatics(options: {
  port: number
  hosts: readonly string[]
  backend: number
  headers: string
  /** Its directive; absent: they write none. */
  log?: string
}): string {
  const { port, hosts, backend, headers, log = '' } = options
  const members = hosts.map((host) => `server ${host}:${backend};`).join(' ')
  const printed = ['static', 'again'].map((name) => {
    const { zone, limit } = counting(name)
    return `upstream ${name} { zone ${name} 256k; ${members} keepalive 256; }
${zone}
server { listen 127.0.0.1:${port}; server_name ${name}.localhost; ${log}
    location / { proxy_buffering off; ${limit} ${headers} proxy_pass http://${name}; } }`
  })
  return printed.join('\n')
}
