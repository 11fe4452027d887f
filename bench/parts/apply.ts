/** What a change of the table costs a worker, in instructions. */
import { join } from 'node:path'
import type { Operation } from '../../contract/push.js'
import { Connection } from '../../lab/load/connection.js'
import { startGateway } from '../../lab/nginx/gateway.js'
import type { Gateway } from '../../lab/nginx/gateway.js'
import { sidOfAddress } from '../../controller/state/sid.js'
import { instructions, nginxInCallgrind } from '../trace/callgrind.js'
import { testOf } from '../rig/counted.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count } from '../report/statistics.js'
import { ensureTracers } from '../trace/tracers.js'
import type { Tracers } from '../trace/tracers.js'
import { ENGINES, sized } from '../rig/sized.js'

export const applyPart: Part = {
  name: 'apply',
  about: 'instructions of a worker for a change of the table, and for a look at it',
  run,
}

const CALLS = sized(100, 2)
const SIZES = [0, 1, 50]

/** The text of the n-th call of its kind. */
type Call = (turn: number) => string

async function run(bench: Bench): Promise<PartResult> {
  const tracers = await ensureTracers((line) => bench.say(line))
  if (tracers === undefined) {
    throw new Error('valgrind cannot run here')
  }
  const found: Record<string, Record<string, number>> = {}
  for (const engine of ENGINES) {
    found[engine] = await countCalls(bench, tracers, engine)
  }
  const names = Object.keys(found.njs ?? {})
  return {
    title: 'What a change costs a worker',
    how: `One worker, callgrind, ${CALLS} calls of the admin endpoint each over one connection; instructions for each:`,
    columns: ['', ...ENGINES],
    rows: names.map((name) => [
      name,
      ...ENGINES.map((engine) => count(found[engine]?.[name] ?? NaN)),
    ]),
    notes: ['An operation gives a slot another peer, as a change of weights does.'],
    numbers: found,
  }
}

async function countCalls(
  bench: Bench,
  tracers: Tracers,
  engine: 'njs' | 'qjs',
): Promise<Record<string, number>> {
  const folder = join(bench.folder, `apply-${engine}`)
  const gateway = await startGateway(testOf(bench, 'apply'), {
    kind: engine,
    workers: 1,
    user: 'root',
    accessLog: false,
    program: (info) => nginxInCallgrind(tracers, info, folder),
  })
  await gateway.setTable(new Map(slots(50, 0) as Array<[string, string]>))
  const worker = (await gateway.state()).workers[0] ?? 0
  const connection = new Connection({ path: join(gateway.home, 'run/admin.sock') })
  bench.onEnd(() => connection.close())
  const found: Record<string, number> = {}
  for (const [name, call] of await calls(gateway)) {
    const work = () => repeat(connection, call)
    // What is made once, in the worker and in the table, is there before it counts.
    await work()
    found[name] = (await instructions(tracers, folder, worker, work)) / CALLS
    bench.say(`${engine}, ${name}: ${count(found[name])}`)
  }
  return found
}

async function calls(gateway: Gateway): Promise<Array<[string, Call]>> {
  const state = await gateway.state()
  let revision = state.revision
  const delta = (size: number): Call => {
    return (turn) => {
      const from = revision
      revision += 1
      const operations = slots(size, turn)
      return post('/delta', { epoch: state.epoch, from, to: revision, whole: false, operations })
    }
  }
  return [
    ['/alive', () => 'GET /alive HTTP/1.1\r\nHost: admin\r\n\r\n'],
    ['/state', () => 'GET /state HTTP/1.1\r\nHost: admin\r\n\r\n'],
    ...SIZES.map((size): [string, Call] => [`/delta of ${size}`, delta(size)]),
  ]
}

function slots(size: number, turn: number): Operation[] {
  const sid = sidOfAddress(`127.0.0.1:${1000 + (turn % 2)}`)
  return Array.from({ length: size }, (_, slot) => [`:web/${slot}`, sid])
}

function post(path: string, body: unknown): string {
  const text = JSON.stringify(body)
  const head = `POST ${path} HTTP/1.1\r\nHost: admin\r\nContent-Type: application/json\r\n`
  return `${head}Content-Length: ${text.length}\r\n\r\n${text}`
}

async function repeat(connection: Connection, call: Call): Promise<void> {
  for (let turn = 0; turn < CALLS; turn++) {
    const answer = await connection.request(call(turn))
    if (answer.status !== 200) {
      throw new Error(`${answer.status}: ${answer.body}`)
    }
  }
}
