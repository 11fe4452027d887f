/** The time from a REST call to the first request by the new state. */
import { monotonicMs } from '../../lab/load/ledger.js'
import { Connection } from '../../lab/load/connection.js'
import { clientPortsOf } from '../../lab/load/processes.js'
import { startRig } from '../../lab/load/rig.js'
import type { Rig } from '../../lab/load/rig.js'
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { until } from '../../lab/until.js'
import { startCheapBackends } from '../rig/cheap-backends.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, median, ms, percentile } from '../report/statistics.js'
import { sized } from '../rig/sized.js'

const CHANGES = sized(500, 5)
const WARM_UP = sized(50, 1)
const HOSTS = ['127.8.1.1', '127.8.1.2']
const HEAD = 'GET / HTTP/1.1\r\nHost: probe.localhost\r\n\r\n'

interface Change {
  /**
   * From the start of the REST call, in every worker, in the first of them, and until its answer.
   */
  everyWorkerMs: number
  firstWorkerMs: number
  answeredMs: number
  /** Requests begun after the answer that still saw the old state. */
  stale: number
}

export const visiblePart: Part = {
  name: 'visible',
  about: 'from a REST call to the first request by the new state in every worker',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const { nginx } = await tools()
  const port = await freePort()
  await startCheapBackends(bench, nginx, HOSTS, port)
  const rig = await startRig({ name: 'visible', nginx })
  bench.onEnd(() => rig.stop())
  await move(rig, port, 0)
  const probes = await probeEachWorker(rig, bench)
  bench.say(`${CHANGES} changes, seen by ${probes.length} workers`)
  const changes: Change[] = []
  for (let number = 1; number <= WARM_UP + CHANGES; number++) {
    const measured = await changeOnce(rig, port, probes, number)
    if (number > WARM_UP) {
      changes.push(measured)
    }
  }
  return finding(changes, probes.length)
}

async function move(rig: Rig, port: number, number: number): Promise<string> {
  const host = HOSTS[number % HOSTS.length] ?? ''
  await rig.change('PUT', '/v1/upstreams/probe/instances/probe', { host, port })
  return host
}

/**
 * A kept-open connection to each worker. The kernel gives them out, so enough are opened to have
 * one of each.
 */
async function probeEachWorker(rig: Rig, bench: Bench): Promise<Connection[]> {
  const opened: Connection[] = []
  bench.onEnd(() => opened.forEach((connection) => connection.close()))
  const target = { host: '127.0.0.1', port: rig.httpPort }
  return until(
    async () => {
      const more = Array.from({ length: 16 }, () => new Connection(target))
      opened.push(...more)
      await Promise.all(more.map((connection) => connection.request(HEAD)))
      const found = rig.workers().map((pid) => {
        const ports = clientPortsOf(pid, rig.httpPort)
        return opened.filter(({ localPort }) => ports.includes(localPort ?? 0)).slice(0, 1)
      })
      return found.every((each) => each.length === 1) ? found.flat() : undefined
    },
    { what: 'a connection to each worker' },
  )
}

async function changeOnce(
  rig: Rig,
  port: number,
  probes: Connection[],
  number: number,
): Promise<Change> {
  const expected = HOSTS[number % HOSTS.length] ?? ''
  let answeredAtMs = Infinity
  let stale = 0
  const startMs = monotonicMs()
  const seen = probes.map(async (probe) => {
    for (;;) {
      const begunMs = monotonicMs()
      const answer = await probe.request(HEAD)
      if (answer.body.includes(expected)) {
        return monotonicMs() - startMs
      }
      if (begunMs > answeredAtMs) {
        stale += 1
      }
    }
  })
  const call = move(rig, port, number).then(() => (answeredAtMs = monotonicMs()))
  const [times] = await Promise.all([Promise.all(seen), call])
  const [everyWorkerMs, firstWorkerMs] = [Math.max(...times), Math.min(...times)]
  return { everyWorkerMs, firstWorkerMs, answeredMs: answeredAtMs - startMs, stale }
}

function finding(changes: Change[], workers: number): PartResult {
  const row = (what: string, pick: (change: Change) => number): string[] => {
    const values = changes.map(pick)
    return [what, ms(median(values)), ms(percentile(values, 0.99)), ms(percentile(values, 1))]
  }
  const stale = changes.reduce((total, change) => total + change.stale, 0)
  return {
    title: 'From a REST call to the next request',
    how:
      `${CHANGES} times the only instance of an upstream moves between two addresses, while each of ` +
      `${workers} workers is asked without a pause over a connection of its own. From the start of the call:`,
    columns: ['', 'p50', 'p99', 'worst'],
    rows: [
      row('first request by the new state, in some worker', ({ firstWorkerMs }) => firstWorkerMs),
      row('first request by the new state, in every worker', ({ everyWorkerMs }) => everyWorkerMs),
      row('answer of the call (applied)', ({ answeredMs }) => answeredMs),
    ],
    notes: [`Requests begun after that answer and served by the old state: ${count(stale)}.`],
    numbers: { workers, stale, changes },
  }
}
