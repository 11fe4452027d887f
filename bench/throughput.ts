import { freePort } from '../test/support/ports.js'
import { tools } from '../test/support/tools.js'
import { startAdopted } from './adopted.js'
import type { Adopted } from './adopted.js'
import { startCheapBackends } from './cheap-backends.js'
import { Driver, interleave } from './drive.js'
import type { Bench, Finding, Part } from './report.js'
import { count, median, pairedRatio, ratio } from './statistics.js'
import { pooled } from './warm-up.js'
import { ensureWrk, throughput } from './wrk.js'

const HOSTS = ['127.8.2.1', '127.8.2.2', '127.8.2.3']
const ROUNDS = 16
const SLICE = 2500
const WRK_ROUNDS = 7
const WRK_SECONDS = 1

/** Columns of every row, in this order. */
const VARIANTS = ['static', 'static again', 'sluice'] as const

interface Measured {
  engine: string
  /** Nanoseconds of the worker for each request, by variant and round. */
  cpuNs: number[][]
  /** Requests a second, by variant and round; undefined without wrk. */
  perSecond: number[][] | undefined
}

export const throughputPart: Part = {
  name: 'throughput',
  about: 'requests through the table against a static upstream in the same nginx',
  run,
}

async function run(bench: Bench): Promise<Finding> {
  const wrk = await ensureWrk((line) => bench.say(line))
  const { nginx } = await tools()
  const backend = await freePort()
  await startCheapBackends(bench, nginx, HOSTS, backend)
  const measured: Measured[] = []
  for (const engine of ['njs', 'qjs'] as const) {
    const port = await freePort()
    const servers = (includes: string): string => printServers(port, backend, includes)
    const adopted = await startAdopted(bench, { nginx, engine, servers, port })
    for (const [index, host] of HOSTS.entries()) {
      const path = `/v1/upstreams/sluice/instances/i${index}`
      await adopted.rig.change('PUT', path, { host, port: backend })
    }
    bench.say(`${engine}: ${ROUNDS} rounds of ${SLICE} requests to each of three servers`)
    measured.push({ engine, ...(await measure(adopted, port, wrk)) })
    await adopted.rig.stop()
    await adopted.nginx.stop()
  }
  return finding(measured)
}

/** The same headers on both sides: what is compared is the way to the peer. */
function printServers(port: number, backend: number, includes: string): string {
  const members = HOSTS.map((host) => `server ${host}:${backend};`).join(' ')
  const statics = ['static', 'again'].map(
    (name) => `upstream ${name} { zone ${name} 256k; ${members} keepalive 256; }
server { listen 127.0.0.1:${port}; server_name ${name}.localhost;
    location / { proxy_buffering off; include "${includes}/headers.conf"; proxy_pass http://${name}; } }`,
  )
  const ours = `server { listen 127.0.0.1:${port} default_server; include "${includes}/server.conf"; }`
  return [...statics, ours].join('\n')
}

async function measure(
  { nginx }: Adopted,
  port: number,
  wrk: string | undefined,
): Promise<Omit<Measured, 'engine'>> {
  const hosts = ['static', 'again', 'sluice'].map((name) => `${name}.localhost`)
  const drivers = hosts.map((host) => new Driver({ host: '127.0.0.1', port }, host, 8))
  await pooled(drivers)
  const cpu = drivers.map((driver) => () => driver.cpuPerRequest(SLICE, nginx.workers()))
  const cpuNs = await interleave(ROUNDS, cpu)
  for (const driver of drivers) driver.close()
  if (wrk === undefined) return { cpuNs, perSecond: undefined }
  const url = `http://127.0.0.1:${port}/`
  const load = hosts.map((host) => () => throughput({ wrk, url, host, seconds: WRK_SECONDS }))
  return { cpuNs, perSecond: await interleave(WRK_ROUNDS, load) }
}

function finding(measured: Measured[]): Finding {
  const rows = measured.flatMap(({ engine, cpuNs, perSecond }) => {
    const us = (value: number): string => `${(value / 1000).toFixed(1)} us`
    const cpu = row(`${engine}: worker CPU for each request`, cpuNs, us)
    if (perSecond === undefined) return [cpu]
    return [cpu, row(`${engine}: requests/s of one worker (wrk)`, perSecond, count)]
  })
  const notes = [
    '“static again” is the control: below its difference from 1.00 nothing can be said.',
  ]
  if (measured.some(({ perSecond }) => perSecond === undefined)) {
    notes.push('wrk could not be had, so throughput was not measured, only processor time.')
  }
  return {
    title: 'Through the table, against a static upstream',
    how:
      'One worker of one nginx with three servers, taken by turns: an upstream{} with zone and keepalive, ' +
      'the same again, and Sluice’s server.conf; the same headers, backends that answer from memory. ' +
      'Medians; ratios are medians of ratios within a round.',
    columns: ['', ...VARIANTS, 'control', 'sluice / static'],
    rows,
    notes,
    numbers: { measured, rounds: ROUNDS, slice: SLICE },
  }
}

function row(what: string, values: number[][], print: (value: number) => string): string[] {
  const [first = [], again = [], sluice = []] = values
  const medians = [first, again, sluice].map((each) => print(median(each)))
  return [what, ...medians, ratio(pairedRatio(again, first)), ratio(pairedRatio(sluice, first))]
}
