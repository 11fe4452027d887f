/**
 * Requests that were drawn, to route tables that were drawn: nginx alone, the table, and the
 * fallback do the same with them, byte for byte, but for what docs/limits.md names.
 *
 *     DIFFERENTIAL_TABLES=200 DIFFERENTIAL_REQUESTS=50 LOAD_SEED=7 node --import tsx <this file>
 */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import {
  openGates,
  plannedGates,
  takeLanes,
  whenOpen,
  whenWritten,
} from '../../../lab/load/compiled.js'
import { hasEnded } from '../../../lab/load/processes.js'
import { startRig } from '../../../lab/load/rig.js'
import type { Rig } from '../../../lab/load/rig.js'
import { rawAsk } from '../../../lab/raw-ask.js'
import { repository, tools } from '../../../lab/tools.js'
import { until } from '../../../lab/until.js'
import { drawTables } from '../../support/generated-routes.js'
import type { DrawnRequest } from '../../support/generated-routes.js'
import { knownDifference, knownWords } from '../../support/known-differences.js'
import type { Outcome, Way } from '../../support/known-differences.js'
import { startRawInstance } from '../../support/raw-instance.js'
import type { RawRequest } from '../../support/raw-instance.js'

t.setTimeout(900_000)

const TABLES = Number(process.env.DIFFERENTIAL_TABLES ?? 12)
const REQUESTS = Number(process.env.DIFFERENTIAL_REQUESTS ?? 60)
const AT_ONCE = 8

interface Served extends Outcome {
  /** Whether nginx alone chose the instance. */
  isCompiled: boolean
}

const BODY = 'answer \0\xff'
const ANSWERED = [
  ...['Content-Type: text/x; charset=y', 'Vary: Accept', 'X-Gone: here', 'X-Own: instance'],
  ...['Set-Cookie: a=1', 'Set-Cookie: b=2; path=/'],
]

/** By X-Case. */
const seen = new Map<string, Array<Outcome['saw'][number] & { pick: string }>>()

/** The order of lines with different names means nothing. */
function byName(lines: string[]): string[] {
  const name = (line: string): string => line.slice(0, line.indexOf(':')).toLowerCase()
  return [...lines].sort((a, b) => (name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : 0))
}

/** An answer as it was asked for by X-Want. */
function answerTo({ line, headers }: RawRequest): string {
  const wanted = valueOf(headers, 'x-want')
  const status = wanted === 'elsewhere' ? 302 : /^\d/.test(wanted) ? Number(wanted) : 200
  const more = {
    repeated: ['X-Two: 1', 'x-two: 2', 'X-Accel-Buffering: no', 'ETag: "1"', 'X-Bytes: \xff'],
    302: ['Location: /x?y'],
    elsewhere: ['Location: http://web/x'],
  }[wanted]
  const isEmpty = status === 204 || status === 304
  const isBare = isEmpty || line.startsWith('HEAD ')
  const length =
    wanted === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${BODY.length}`
  const body = wanted === 'chunked' ? `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n` : BODY
  const lines = [...ANSWERED, ...(more ?? []), ...(isEmpty ? [] : [length])]
  return `HTTP/1.1 ${status} So\r\n${lines.join('\r\n')}\r\n\r\n${isBare ? '' : body}`
}

function valueOf(headers: readonly string[], name: string): string {
  const line = headers.find((each) => each.toLowerCase().startsWith(`${name}: `))
  return line?.slice(name.length + 2) ?? ''
}

function startInstance(t: Test, by: string): Promise<number> {
  return startRawInstance(t, (request) => {
    const { line, headers, body } = request
    const isPick = (each: string): boolean => /^X-Sluice-Pick: /i.test(each)
    const others = byName(headers.filter((each) => !isPick(each)))
    const pick = headers.find(isPick) ?? ''
    const id = valueOf(headers, 'x-case')
    seen.set(id, [...(seen.get(id) ?? []), { line, headers: others, body, by, pick }])
    return answerTo(request)
  })
}

/** An answer but for its time. */
function normal(text: string): string[] {
  const end = text.indexOf('\r\n\r\n')
  const [status = '', ...lines] = text.slice(0, end).split('\r\n')
  return [status, ...byName(lines.filter((line) => !line.startsWith('Date: '))), text.slice(end)]
}

function isSame(one: Outcome, other: Outcome): boolean {
  return JSON.stringify([one.saw, one.got]) === JSON.stringify([other.saw, other.got])
}

async function outcomes(port: number, asked: readonly DrawnRequest[]): Promise<Served[]> {
  seen.clear()
  const answers: string[] = []
  let next = 0
  const client = async (): Promise<void> => {
    while (next < asked.length) {
      const i = next++
      answers[i] = await rawAsk(port, Buffer.from(asked[i]?.text ?? '', 'latin1'))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, client))
  return asked.map(({ id }, i) => {
    const all = seen.get(id) ?? []
    const saw = all.map(({ line, headers, body, by }) => ({ line, headers, body, by }))
    // A gate says slot 0 and names nobody.
    const isCompiled = all.some(({ pick }) => /^X-Sluice-Pick: [@:][^ ]*\/0 ?$/i.test(pick))
    return { saw, got: normal(answers[i] ?? ''), isCompiled }
  })
}

/** nginx that starts cold, and nobody who fills its table. */
async function startCold(t: Test, rig: Rig, nginx: string): Promise<void> {
  const [controller, old] = [rig.partPid('controller'), rig.nginxPid()]
  await rig.killSupervisor()
  process.kill(controller, 'SIGKILL')
  process.kill(old, 'SIGTERM')
  await until(() => hasEnded(controller) && hasEnded(old), { what: 'the end of nginx' })
  await promisify(execFile)(nginx, ['-p', rig.home, '-c', join(rig.home, 'nginx.conf')])
  await until(() => rig.nginxPid() !== old && rig.workers().length > 0, { what: 'another nginx' })
  const cold = rig.nginxPid()
  t.teardown(async () => {
    process.kill(cold, 'SIGTERM')
    await until(() => hasEnded(cold), { what: 'the end of nginx' })
  })
}

const { nginx } = await tools()

t.test('differences that are known are named', (t) => {
  const limits = readFileSync(join(repository, 'docs/limits.md'), 'utf8').replace(/\s+/g, ' ')
  knownWords().forEach((words) => t.ok(limits.includes(words), words))
  t.end()
})

t.test('nginx alone, the table and the fallback do the same', async (t) => {
  const seed = Number(process.env.LOAD_SEED ?? 7)
  const tables = drawTables(seed, TABLES, REQUESTS)
  const asked = tables.flatMap(({ requests }) => requests)
  t.comment(`LOAD_SEED=${seed}: ${TABLES} tables, ${asked.length} requests`)

  const rig = await startRig({ nginx, name: 'differential', env: { SLUICE_COMPILED: 'auto' } })
  t.teardown(() => rig.stop())
  const [web, api] = [await startInstance(t, 'web'), await startInstance(t, 'api')]
  // One of them is never compiled.
  await rig.change('PUT', '/v1/upstreams/other', { policy: { balance: 'leastTime' } })
  const ports = { web, also: web, api, other: api }
  const operations = [
    ...Object.entries(ports).map(([name, port]) => {
      const body = { host: '127.0.0.1', port }
      return { method: 'PUT', path: `/v1/upstreams/${name}/instances/i`, body }
    }),
    ...tables.flatMap(({ routes }) =>
      Object.entries(routes).map(([id, body]) => {
        return { method: 'PUT', path: `/v1/routes/${id}`, body }
      }),
    ),
  ]
  await rig.batch(operations)
  // nginx has no lanes yet, and so the configuration that it has without any.
  const interpreted = await outcomes(rig.httpPort, asked)
  await whenWritten(rig.home)
  await takeLanes(rig)
  await whenOpen(rig.home)
  t.comment(`${openGates(rig.home)} of ${plannedGates(rig.home)} gates`)
  const compiled = await outcomes(rig.httpPort, asked)
  await startCold(t, rig, nginx.path)
  const cold = await outcomes(rig.httpPort, asked)

  const share = compiled.filter(({ isCompiled }) => isCompiled).length / asked.length
  t.comment(`${(100 * share).toFixed(1)} % by nginx alone`)
  t.ok(share > 0.05, 'nginx alone served a part')
  t.notOk(
    interpreted.some(({ isCompiled }) => isCompiled),
    'and none of it when it had no lanes',
  )
  compare(t, asked, interpreted, { compiled, fallback: cold })
})

function compare(
  t: Test,
  asked: readonly DrawnRequest[],
  expected: readonly Outcome[],
  ways: Record<Way, readonly Outcome[]>,
): void {
  for (const way of ['compiled', 'fallback'] as const) {
    const known = new Map<string, number>()
    const failed: string[] = []
    asked.forEach((request, i) => {
      const [is, should] = [ways[way][i], expected[i]]
      if (is === undefined || should === undefined || isSame(is, should)) {
        return
      }
      const name = knownDifference(way, request, is, should)
      if (name === undefined) {
        failed.push(request.id)
        const { saw, got } = is
        const { text, table } = request
        const found = { text, routes: table.routes, saw, got }
        t.same(found, { ...found, saw: should.saw, got: should.got }, `${way}: ${text}`)
      } else {
        known.set(name, (known.get(name) ?? 0) + 1)
      }
    })
    t.same(failed, [], `${way}: as the table does it, or as docs/limits.md says`)
    t.comment(`${way}: ${JSON.stringify([...known])}`)
  }
}
