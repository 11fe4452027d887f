/**
 * What a long request costs a worker grows no faster than the request: instructions are counted for
 * 1, 2, 4 and 8 KB of each thing that a client may write at length.
 */
import '../../support/small-bench.js'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { startAdopted, withoutController } from '../../../bench/rig/adopted.js'
import { startCheapBackends } from '../../../bench/rig/cheap-backends.js'
import { applyAll } from '../../../bench/rig/growth.js'
import { instructions, nginxInCallgrind } from '../../../bench/trace/callgrind.js'
import { ensureTracers } from '../../../bench/trace/tracers.js'
import type { Tracers } from '../../../bench/trace/tracers.js'
import type { BatchOperation } from '../../../lab/load/rig.js'
import { freePort } from '../../../lab/ports.js'
import { rawAsk } from '../../../lab/raw-ask.js'
import { tools } from '../../../lab/tools.js'
import { benchOf } from '../../support/bench.js'

t.setTimeout(170_000)

const MEMBER = '127.8.9.1'
const SIZES = [1000, 2000, 4000, 8000] as const
/** Twice the bytes cost twice as much more, where the cost is linear; four times, by squares. */
const MOST_STEEP = 2.7
/** Of the whole cost: a timer of nginx's, a line of the log that is written just then. */
const NOISE = 0.05

/** Each host's route: all look at the path, and some at headers and cookies, too. */
const ROUTES: Record<string, object> = {
  cut: { pathPrefix: '/at', upstream: 'web', rewrite: { replacePrefix: '/v2' } },
  led: { pathPrefix: '/at', redirect: { replacePrefix: '/n' } },
  met: { upstream: 'web', headers: { 'x-beta': 'yes' }, cookies: { beta: 'yes' } },
  edited: { upstream: 'web', requestHeaders: { set: { 'X-A': 'b' } }, timeouts: { readMs: 60000 } },
}

const fill =
  (part: string) =>
  (bytes: number): string =>
    part.repeat(bytes / part.length)

const PATHS: Record<string, (bytes: number) => string> = {
  slashes: fill('/'),
  segments: fill('/a'),
  dots: fill('/.'),
  escapes: fill('/%61%61%61'),
  'escaped slashes': fill('%2f'),
  'one segment': fill('x'),
  'a way there and back': (bytes) => fill('/a')(bytes * 0.4) + fill('/..')(bytes * 0.6),
}

const LINES: Record<string, (bytes: number) => string> = {
  cookies: (bytes) => `Cookie: ${fill('a=b;')(bytes)}`,
  'one cookie': (bytes) => `Cookie: beta=${fill('=')(bytes)}`,
  headers: (bytes) => fill('X-A: abcde\r\n')(bytes).trimEnd(),
  addresses: (bytes) => `X-Forwarded-For: ${fill('10.0.0.1, ')(bytes)}10.0.0.2`,
}

const tracers = await ensureTracers((line) => t.comment(line))
const skip = tracers === undefined && 'valgrind cannot run here'

for (const engine of ['njs', 'qjs'] as const) {
  t.test(`${engine}: a long request costs no more than its length`, { skip }, async (t) => {
    if (tracers !== undefined) {
      await countAll(t, tracers, engine)
    }
  })
}

async function countAll(t: Test, tracers: Tracers, engine: 'njs' | 'qjs'): Promise<void> {
  const bench = benchOf(t)
  const { nginx } = await tools()
  const [port, backend] = [await freePort(), await freePort()]
  await startCheapBackends(bench, nginx, [MEMBER], backend)
  const folder = join(bench.folder, 'callgrind')
  const adopted = await startAdopted(bench, {
    ...{ nginx, engine, port, traced: nginxInCallgrind(tracers, nginx, folder) },
    servers: (includes) => `large_client_header_buffers 8 16k;
server { listen 127.0.0.1:${port} default_server; include "${includes}/server.conf"; }`,
  })
  await applyAll(adopted.rig, operations(backend), 100)
  const [worker = 0] = adopted.nginx.workers()
  const ask = async (path: string, line: string): Promise<void> => {
    for (const host of Object.keys(ROUTES)) {
      const text = `GET ${path} HTTP/1.1\r\nHost: ${host}.test\r\n${line}\r\nConnection: close\r\n\r\n`
      const answer = await rawAsk(port, text)
      t.match(answer, /^HTTP\/1\.1 (200|302|404|400|308)/, `${host}: an answer`)
    }
  }
  const made = [
    ...Object.entries(PATHS).map(([what, of]) => ({ what, path: of, line: () => 'X-B: c' })),
    ...Object.entries(LINES).map(([what, of]) => ({ what, path: () => '/b', line: of })),
  ]
  await withoutController(adopted, async () => {
    for (const { what, path, line } of made) {
      const costs: number[] = []
      for (const bytes of SIZES) {
        const once = (): Promise<void> => ask(`/at${path(bytes)}`, line(bytes))
        await once()
        costs.push(await instructions(tracers, folder, worker, once))
      }
      holdLinear(t, what, costs)
    }
  })
}

function operations(port: number): BatchOperation[] {
  const put = (path: string, body: object): BatchOperation => ({ method: 'PUT', path, body })
  return [
    put('/v1/upstreams/web', {}),
    put('/v1/upstreams/web/instances/a', { host: MEMBER, port }),
    ...Object.entries(ROUTES).map(([name, route]) =>
      put(`/v1/routes/${name}`, { hosts: [`${name}.test`], ...route }),
    ),
  ]
}

function holdLinear(t: Test, what: string, costs: number[]): void {
  const [one = 0, two = 0, four = 0, eight = 0] = costs
  const steep = (eight - four) / Math.max(four - two, eight * NOISE)
  t.comment(`${what}: ${[one, two, four, eight].map((each) => Math.round(each / 1000)).join(' ')}`)
  t.ok(steep < MOST_STEEP, `${what}: the last 4 KB cost ${steep.toFixed(2)} of the 2 KB before`)
}
