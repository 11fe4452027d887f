/** What is measured of each of the compared proxies. */
import { runCommand } from '../../setup/command.js'
import { monotonicMs } from '../../lab/load/ledger.js'
import { startLoad } from '../../lab/load/load.js'
import { Connection } from '../../lab/load/connection.js'
import { until } from '../../lab/until.js'
import { movingHost } from './proxies.js'
import type { BackendHosts, Proxy } from './proxies.js'
import type { Bench } from '../report/report.js'
import { loadFlags } from '../load/wrk.js'
import { sized } from './sized.js'

const SECONDS = sized(2, 1)
const SEEN_CHANGES = sized(100, 2)
const LOAD_WORKERS = sized(20, 2)
const LOADED_WITHIN = { deadlineMs: 60_000, what: 'a load' }
/** So many requests are answered before the first change. */
const BEFORE = sized(500, 20)

export interface Saturated {
  perSecond: number
  requests: number
  /** Answers other than 2xx and 3xx, and requests whose connection was closed under them. */
  lost: number
}

/** A saturating load, of which what is lost is counted and not refused. */
export async function saturate(wrk: string, proxy: Proxy): Promise<Saturated> {
  const url = `http://127.0.0.1:${proxy.port}/`
  const host = `Host: ${proxy.upstream}.localhost`
  const flags = [...loadFlags(SECONDS), '-H', host, url]
  const { code, stdout, stderr } = await runCommand(wrk, flags)
  const number = (pattern: RegExp): number => Number(pattern.exec(stdout)?.[1] ?? 0)
  const perSecond = number(/Requests\/sec:\s+([\d.]+)/)
  if (code !== 0 || perSecond === 0) {
    throw new Error(`wrk ${url}: ${stdout}${stderr}`)
  }
  const errors = ['connect', 'read', 'write', 'timeout'].map((kind) =>
    number(new RegExp(`Socket errors:.*${kind} (\\d+)`)),
  )
  const refused = number(/Non-2xx or 3xx responses: (\d+)/)
  const lost = errors.reduce((total, value) => total + value, refused)
  return { perSecond, requests: number(/(\d+) requests in/), lost }
}

export interface Changing extends Saturated {
  changesPerSecond: number
}

/**
 * The same while the upstream under load changes, each change begun when the one before has been
 * answered.
 */
export async function saturateChanging(wrk: string, proxy: Proxy): Promise<Changing> {
  let stopping = false
  let changes = 0
  const startMs = monotonicMs()
  const change = async (): Promise<void> => {
    while (!stopping) {
      await proxy.move?.(proxy.upstream, ++changes)
    }
  }
  const changed = change()
  // It is awaited below; until then its failure must not end the process.
  changed.catch(() => undefined)
  try {
    const found = await saturate(wrk, proxy)
    return { ...found, changesPerSecond: (changes / (monotonicMs() - startMs)) * 1000 }
  } finally {
    stopping = true
    await changed
  }
}

interface Seen {
  /** From the start of the call until its answer, and until the first answer by the new state. */
  answeredMs: number
  effectiveMs: number
  /** Requests that were begun after the call had been answered, and saw the old state. */
  stale: number
}

export interface SeenChanges {
  changes: Seen[]
  requests: number
  lost: number
  /** Connections of the clients that were closed under them with no request out. */
  closedIdle: number
}

/**
 * Moves `probe` again and again and asks it without a pause, while the other upstream has a
 * moderate load.
 */
export async function seeChanges(
  bench: Bench,
  proxy: Proxy,
  backends: BackendHosts,
): Promise<SeenChanges> {
  const target = { host: '127.0.0.1', port: proxy.port }
  const plain = { postPart: 0, largePart: 0, slowPart: 0, thinkMs: 10 }
  const shared = { target, upstreams: [proxy.upstream], seed: proxy.port, workers: LOAD_WORKERS }
  const load = startLoad(bench.folder, { ...shared, ...plain })
  bench.onEnd(() => load.kill())
  await until(async () => (await load.count()).requests > BEFORE, LOADED_WITHIN)
  const probe = new Probe(target)
  const changes: Seen[] = []
  for (let number = 1; number <= SEEN_CHANGES; number++) {
    changes.push(await probe.see(proxy, number, movingHost(backends, number)))
  }
  probe.close()
  const { lines, report } = await load.stop()
  const lost = probe.lost + lines.filter(({ status }) => status < 200 || status > 299).length
  const { closedIdle, requests } = report
  return { changes, requests: requests + probe.requests, lost, closedIdle }
}

const HEAD = 'GET / HTTP/1.1\r\nHost: probe.localhost\r\n\r\n'

class Probe {
  readonly #connection: Connection
  requests = 0
  lost = 0

  constructor(target: { host: string; port: number }) {
    this.#connection = new Connection(target)
  }

  async see(proxy: Proxy, number: number, expected: string): Promise<Seen> {
    let answeredAtMs = Infinity
    let stale = 0
    const startMs = monotonicMs()
    const call = proxy.move?.('probe', number).then(() => (answeredAtMs = monotonicMs()))
    for (;;) {
      const begunMs = monotonicMs()
      if ((await this.#ask()).includes(expected)) {
        break
      }
      if (begunMs > answeredAtMs) {
        stale += 1
      }
      if (begunMs - startMs > 20_000) {
        throw new Error(`${proxy.name}: change ${number} was never seen`)
      }
    }
    const effectiveMs = monotonicMs() - startMs
    await call
    return { answeredMs: answeredAtMs - startMs, effectiveMs, stale }
  }

  close(): void {
    this.#connection.close()
  }

  async #ask(): Promise<string> {
    this.requests += 1
    try {
      const { status, body } = await this.#connection.request(HEAD)
      if (status === 200) {
        return body
      }
    } catch {
      // Counted below: to whoever asked, it is as lost as a refusal.
    }
    this.lost += 1
    return ''
  }
}
