/** A TLS handshake with a certificate of the table, against a static one. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeAuthority } from '../../lab/engines/certificates.js'
import type { Pem } from '../../lab/engines/certificates.js'
import { cpuNs } from '../../lab/load/processes.js'
import { freePort } from '../../lab/ports.js'
import { shake } from '../../lab/tls-client.js'
import { tools } from '../../lab/tools.js'
import { until } from '../../lab/until.js'
import { startAdopted, stopAdopted, withoutController } from '../rig/adopted.js'
import type { Adopted } from '../rig/adopted.js'
import { instructions, nginxInCallgrind } from '../trace/callgrind.js'
import { interleave, repeat } from '../load/drive.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, median, pairedRatio, ratio } from '../report/statistics.js'
import { ensureTracers } from '../trace/tracers.js'
import type { Tracers } from '../trace/tracers.js'
import { ensureWrk, throughput } from '../load/wrk.js'
import { ENGINES, sized } from '../rig/sized.js'

const KEYS = { 'P-256': undefined, 'RSA 2048': 'rsa:2048' } as const
type Key = keyof typeof KEYS

/**
 * Both names are in the certificate: one as it is, one below its wildcard. wrk asks for the name
 * that it connects to.
 */
const NAME = 'localhost'
const WILD = 'a.wild.test'
const NAMES = ['DNS:localhost', 'DNS:*.wild.test']

const COLUMNS = ['static', 'static again', 'table', 'wildcard']
const COUNTED = sized(100, 4)
const LANES = 4
const ROUNDS = sized(15, 1)
const SLICE = sized(100, 4)
const WRK_ROUNDS = sized(7, 1)
const WRK_SECONDS = 1

/** For a path: a colon would end it where the loader of programs looks for libraries. */
function wordOf(key: Key): string {
  return key.replace(/\W/g, '')
}

/** Where a handshake gets its certificate: the port, and the name that is asked for. */
interface Source {
  port: number
  name: string
}

interface Measured {
  engine: string
  key: Key
  /** For each handshake: static, static again, by the name, by a wildcard. */
  cpuNs: number[][]
  perSecond: number[][] | undefined
  instructions: number[] | undefined
}

export const handshakePart: Part = {
  name: 'handshake',
  about:
    'a full TLS handshake with a certificate of the table, against one of nginx’s configuration',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const tracers = await ensureTracers((line) => bench.say(line))
  const wrk = await ensureWrk((line) => bench.say(line))
  const measured: Measured[] = []
  for (const key of sized(Object.keys(KEYS), ['P-256']) as Key[]) {
    for (const engine of ENGINES) {
      bench.say(`${engine}, ${key}`)
      const counted = tracers && (await countEach(bench, tracers, engine, key))
      measured.push({
        engine,
        key,
        instructions: counted,
        ...(await time(bench, wrk, engine, key)),
      })
    }
  }
  return finding(measured)
}

async function countEach(
  bench: Bench,
  tracers: Tracers,
  engine: 'njs' | 'qjs',
  key: Key,
): Promise<number[]> {
  const folder = join(bench.folder, `callgrind-${engine}-${wordOf(key)}`)
  const started = await start(bench, { engine, key, traced: { tracers, folder } })
  const worker = started.adopted.nginx.workers()[0] ?? 0
  const found: number[] = []
  await withoutController(started.adopted, async () => {
    for (const source of started.sources) {
      await shakes(source, LANES)
      const total = await instructions(tracers, folder, worker, () => shakes(source, COUNTED))
      found.push(total / COUNTED)
    }
  })
  await stopAdopted(started.adopted)
  return found
}

async function time(
  bench: Bench,
  wrk: string | undefined,
  engine: 'njs' | 'qjs',
  key: Key,
): Promise<Pick<Measured, 'cpuNs' | 'perSecond'>> {
  const { adopted, sources } = await start(bench, { engine, key })
  const worker = adopted.nginx.workers()[0] ?? 0
  const spent = async (source: Source): Promise<number> => {
    const before = cpuNs(worker)
    await shakes(source, SLICE)
    return (cpuNs(worker) - before) / SLICE
  }
  const cpu = await interleave(
    ROUNDS,
    sources.map((source) => () => spent(source)),
  )
  // wrk asks for the name in the address alone, which is no wildcard's.
  const loads = sources.filter(({ name }) => name === NAME)
  const load = ({ port }: Source): Promise<number> => {
    const url = `https://${NAME}:${port}/`
    return throughput({ wrk: wrk ?? '', url, host: NAME, seconds: WRK_SECONDS, once: true })
  }
  const rates = loads.map((source) => () => load(source))
  const perSecond = wrk === undefined ? undefined : await interleave(WRK_ROUNDS, rates)
  await stopAdopted(adopted)
  return { cpuNs: cpu, perSecond }
}

interface Options {
  engine: 'njs' | 'qjs'
  key: Key
  traced?: { tracers: Tracers; folder: string }
}

/**
 * One worker with the same certificate at three ports: twice from its configuration, once from the
 * table.
 */
async function start(
  bench: Bench,
  { engine, key, traced }: Options,
): Promise<{ adopted: Adopted; sources: Source[] }> {
  const { nginx } = await tools()
  const pem = await issue(bench, key)
  const [first, again, table] = [await freePort(), await freePort(), await freePort()]
  const servers = (includes: string): string =>
    [
      printServer(first, pem.directives),
      printServer(again, pem.directives),
      printServer(table, `include "${includes}/tls.conf";`),
    ].join('\n')
  const adopted = await startAdopted(bench, {
    ...{ nginx, engine, servers, port: first },
    ...(traced && { traced: nginxInCallgrind(traced.tracers, nginx, traced.folder) }),
  })
  const { certificate, privateKey } = pem
  await adopted.rig.change('PUT', '/v1/certificates/bench', { certificate, privateKey })
  const sources = [
    { port: first, name: NAME },
    { port: again, name: NAME },
    { port: table, name: NAME },
    { port: table, name: WILD },
  ]
  await until(() => showTheSame(sources), { what: 'one certificate everywhere' })
  return { adopted, sources }
}

async function issue(bench: Bench, key: Key): Promise<Pem & { directives: string }> {
  const folder = join(bench.folder, `certificate-${wordOf(key)}`)
  mkdirSync(folder, { recursive: true })
  const wish = KEYS[key]
  const pem = await (await makeAuthority(folder)).issue(NAMES, wish ? { key: wish } : {})
  const paths = { certificate: join(folder, 'bench.crt'), key: join(folder, 'bench.key') }
  writeFileSync(paths.certificate, pem.certificate)
  writeFileSync(paths.key, pem.privateKey)
  const directives = `ssl_certificate "${paths.certificate}"; ssl_certificate_key "${paths.key}";`
  return { ...pem, directives }
}

/** Nothing is resumed, so each handshake is a full one. */
function printServer(port: number, certificate: string): string {
  return `server { listen 127.0.0.1:${port} ssl; ${certificate}
    ssl_protocols TLSv1.3; ssl_session_cache off; ssl_session_tickets off;
    location / { return 200 "bench\\n"; } }`
}

/** What is shown is no certificate that is made for want of another. */
async function showTheSame(sources: Source[]): Promise<boolean> {
  const shown = await Promise.all(sources.map(({ port, name }) => shake(port, { name })))
  return shown.every(({ fingerprint }) => fingerprint === shown[0]?.fingerprint)
}

function shakes({ port, name }: Source, times: number): Promise<void> {
  return repeat(times, LANES, () => shake(port, { name }))
}

function finding(measured: Measured[]): PartResult {
  const us = (value: number): string => `${(value / 1000).toFixed(0)} us`
  const rows = measured.flatMap(({ engine, key, cpuNs, perSecond, instructions: counted }) => [
    ...(counted
      ? [
          row(
            `${engine}, ${key}: instructions`,
            counted.map((each) => [each]),
            count,
          ),
        ]
      : []),
    row(`${engine}, ${key}: worker CPU`, cpuNs, us),
    ...(perSecond ? [row(`${engine}, ${key}: handshakes/s (wrk)`, perSecond, count)] : []),
  ])
  return {
    title: 'A full TLS handshake',
    how:
      'One worker of one nginx shows the same certificate from its configuration, from there again as a control, and from ' +
      'the table, asked for by its name and below its wildcard; TLS 1.3, nothing resumed. For each handshake, with the connection:',
    columns: ['', ...COLUMNS, 'control', 'table / static', 'wildcard / static'],
    rows,
    notes: [
      'nginx 1.27.4 and newer keep the certificates of the table parsed; older ones read the text in each handshake.',
    ],
    numbers: { measured, rounds: ROUNDS, slice: SLICE },
  }
}

function row(what: string, values: number[][], print: (value: number) => string): string[] {
  const [first = [], ...others] = values
  const [medians, ratios] = [
    values.map((each) => print(median(each))),
    others.map((each) => ratio(pairedRatio(each, first))),
  ]
  // wrk asks for no wildcard.
  const none = Array<string>(4 - values.length).fill('')
  return [what, ...medians, ...none, ...ratios, ...none]
}
