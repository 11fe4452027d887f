/** How many changes a second are taken, and whether any is lost. */
import { monotonicMs } from '../../lab/load/ledger.js'
import { startLoad } from '../../lab/load/load.js'
import { Backends } from '../../lab/load/backends.js'
import { startRig } from '../../lab/load/rig.js'
import type { BatchOperation, Rig } from '../../lab/load/rig.js'
import { tools } from '../../lab/tools.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, median, ms, percentile } from '../report/statistics.js'
import { TableReader } from '../../lab/load/table-reader.js'
import { sized } from '../rig/sized.js'

const UPSTREAMS = sized(50, 5)
const INSTANCES = sized(20, 2)
const CALLERS = 32
const SINGLY_MS = sized(6000, 200)
const BATCHES = sized(12, 2)
const BATCH = sized(1000, 20)

/** What the registry must hold in the end: port by `<upstream>/<id>`. */
type Expected = Map<string, number>

interface Rate {
  changes: number
  perSecond: number
  p50Ms: number
  p99Ms: number
}

export const changesPart: Part = {
  name: 'changes',
  about: 'changes a second, one by one and in batches, and whether any got lost',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const { nginx } = await tools()
  const rig = await startRig({ name: 'changes', nginx })
  bench.onEnd(() => rig.stop())
  const expected: Expected = new Map()
  await rig.batch(Array.from({ length: UPSTREAMS * INSTANCES }, (_, n) => change(expected, n, 1)))
  const steady = await startSteady(bench, rig)
  bench.say(`${CALLERS} callers for ${SINGLY_MS / 1000} s`)
  const singly = await changeSingly(rig, expected)
  bench.say(`${BATCHES} batches of ${BATCH}`)
  const batched = await changeByBatch(rig, expected)
  const { lines } = await steady.stop()
  const lost = lines.filter(({ status }) => status !== 200).length
  const wrong = await compare(bench, rig, expected)
  return finding({ singly, batched, wrong, requests: lines.length, lost })
}

/** The `number`-th instance, with the port that its `turn`-th change gives it. */
function change(expected: Expected, number: number, turn: number): BatchOperation {
  const index = number % (UPSTREAMS * INSTANCES)
  const [upstream, id] = [`up${index % UPSTREAMS}`, `i${Math.floor(index / UPSTREAMS)}`]
  const port = 1024 + ((turn * 7 + index) % 60_000)
  expected.set(`${upstream}/${id}`, port)
  const host = `127.9.${index % UPSTREAMS}.${Math.floor(index / UPSTREAMS) + 1}`
  const path = `/v1/upstreams/${upstream}/instances/${id}`
  return { method: 'PUT', path, body: { host, port } }
}

/** Somebody else's upstream, which must not notice. */
async function startSteady(bench: Bench, rig: Rig): Promise<ReturnType<typeof startLoad>> {
  const backends = new Backends(bench.folder, 'steady')
  bench.onEnd(() => backends.kill())
  const host = '127.9.200.1'
  const port = await backends.open({ upstream: 'steady', instance: 'steady', host, port: 0 })
  await rig.change('PUT', '/v1/upstreams/steady/instances/steady', { host, port })
  const target = { host: '127.0.0.1', port: rig.httpPort }
  const load = startLoad(bench.folder, {
    target,
    upstreams: ['steady'],
    seed: 1,
    workers: 4,
    thinkMs: 10,
  })
  bench.onEnd(() => load.kill())
  return load
}

async function changeSingly(rig: Rig, expected: Expected): Promise<Rate> {
  const startMs = monotonicMs()
  const times: number[] = []
  let next = 0
  const callers = Array.from({ length: CALLERS }, async () => {
    while (monotonicMs() - startMs < SINGLY_MS) {
      const number = next++
      // An instance's next change comes long after its last was answered, so it is known which was
      // last.
      const operation = change(expected, number, 2 + Math.floor(number / (UPSTREAMS * INSTANCES)))
      const begunMs = monotonicMs()
      await rig.change(operation.method, operation.path, operation.body)
      times.push(monotonicMs() - begunMs)
    }
  })
  await Promise.all(callers)
  return rate(times.length, monotonicMs() - startMs, times)
}

async function changeByBatch(rig: Rig, expected: Expected): Promise<Rate> {
  const startMs = monotonicMs()
  const times: number[] = []
  for (let turn = 0; turn < BATCHES; turn++) {
    const operations = Array.from({ length: BATCH }, (_, n) => change(expected, n, 1000 + turn))
    const begunMs = monotonicMs()
    await rig.change('POST', '/v1/batch', { operations })
    times.push(monotonicMs() - begunMs)
  }
  return rate(BATCHES * BATCH, monotonicMs() - startMs, times)
}

function rate(changes: number, tookMs: number, times: number[]): Rate {
  const perSecond = (changes / tookMs) * 1000
  return { changes, perSecond, p50Ms: median(times), p99Ms: percentile(times, 0.99) }
}

/** Instances that the table or the API has otherwise than the last change said. */
async function compare(bench: Bench, rig: Rig, expected: Expected): Promise<number> {
  const reader = new TableReader(rig.home)
  bench.onEnd(() => reader.close())
  const upstreams = Array.from({ length: UPSTREAMS }, (_, number) => `up${number}`)
  const peers = await reader.peers(upstreams)
  let wrong = 0
  for (const upstream of upstreams) {
    const { body } = await rig.call('GET', `/v1/upstreams/${upstream}`)
    const listed = new Map(body.instances?.map(({ id, port }) => [id, port]))
    for (let number = 0; number < INSTANCES; number++) {
      const id = `i${number}`
      const port = expected.get(`${upstream}/${id}`)
      const inTable = peers.get(upstream)?.get(id)?.address.split(':').at(-1)
      if (listed.get(id) !== port || inTable !== String(port)) {
        wrong += 1
      }
    }
    if (peers.get(upstream)?.size !== INSTANCES || listed.size !== INSTANCES) {
      wrong += 1
    }
  }
  return wrong
}

function finding(found: {
  singly: Rate
  batched: Rate
  wrong: number
  requests: number
  lost: number
}): PartResult {
  const row = (what: string, { changes, perSecond, p50Ms, p99Ms }: Rate): string[] => {
    return [what, count(changes), `${count(perSecond)}/s`, ms(p50Ms), ms(p99Ms)]
  }
  return {
    title: 'Changes a second',
    how:
      `${UPSTREAMS} upstreams of ${INSTANCES} instances; each change gives an instance another port and ` +
      'is answered when it is durable and the gateway has applied it.',
    columns: ['', 'changes', 'rate', 'call p50', 'call p99'],
    rows: [
      row(`one by one, ${CALLERS} callers`, found.singly),
      row(`in batches of ${count(BATCH)}, one caller`, found.batched),
    ],
    notes: [
      `Instances that the table or the API has otherwise than the last change said: ${found.wrong}.`,
      `Requests to another upstream meanwhile: ${count(found.requests)}, lost: ${found.lost}.`,
    ],
    numbers: found,
  }
}
