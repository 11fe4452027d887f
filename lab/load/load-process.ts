// The load, in a process of its own: neither the code under test nor the churn may slow its clock.
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs, printClientLine } from './ledger.js'
import type { ClientLine } from './ledger.js'
import { answerParent } from './child.js'
import { Connection } from './connection.js'
import type { HttpMessage } from './connection.js'
import type { LoadOptions, LoadReport } from './load.js'
import { seeded } from './random.js'

const LARGE_BYTES = 300 * 1024
const LARGE: Buffer = Buffer.alloc(LARGE_BYTES, 'sluice load ')
const SMALL: Buffer = Buffer.from('a small body')
const digest = (body: Buffer): string => createHash('sha1').update(body).digest('hex')
const DIGESTS = new Map([LARGE, SMALL].map((body) => [body, digest(body)]))

const options = JSON.parse(process.argv[2] ?? '{}') as LoadOptions
const lines: ClientLine[] = []
const connections: Connection[] = []
let stopping = false

async function runWorker(number: number): Promise<void> {
  const random = seeded(options.seed + number)
  let connection = new Connection(options.target)
  connections.push(connection)
  for (let count = 0; !stopping; count++) {
    const upstream = options.upstreams[Math.floor(random() * options.upstreams.length)] as string
    if (options.connections !== 'kept') {
      connection = another(connection, upstream)
    }
    await send(connection, `${number}-${count}`, upstream, random)
    if (options.thinkMs > 0) {
      await sleep(random() * options.thinkMs * 2)
    }
  }
  connection.close()
}

function another(last: Connection, upstream: string): Connection {
  last.close()
  const name = options.connections === 'tls' && { servername: `${upstream}.${options.domain}` }
  const connection = new Connection({ ...options.target, ...name })
  connections.push(connection)
  return connection
}

async function send(
  connection: Connection,
  serial: string,
  upstream: string,
  random: () => number,
): Promise<void> {
  const id = `${options.seed}-${serial}`
  const body = chooseBody(random())
  const delayMs = random() < options.slowPart ? Math.ceil(random() * options.slowMs) : 0
  const line = { id, method: body === undefined ? 'GET' : 'POST', asked: upstream }
  const host = `${upstream}.${options.domain}`
  const length = body === undefined ? '' : `Content-Length: ${body.length}\r\n`
  const uri = `/?id=${id}&delay=${delayMs}`
  const head = `${line.method} ${uri} HTTP/1.1\r\nHost: ${host}\r\nX-Load-Id: ${id}\r\n${length}\r\n`
  const startMs = monotonicMs()
  try {
    const answer = await connection.request(head, body)
    const shown = connection.shown
    lines.push({ ...line, ...readEcho(answer, body), startMs, endMs: monotonicMs(), shown })
  } catch (error) {
    const failed = { status: 0, upstream: '', instance: '', echoedId: '', intact: false }
    const reason = error instanceof Error ? error.message : String(error)
    const shown = connection.shown
    lines.push({ ...line, ...failed, startMs, endMs: monotonicMs(), error: reason, shown })
    // An address that refuses at once must not turn the load into a busy loop.
    await sleep(10)
  }
}

function chooseBody(draw: number): Buffer | undefined {
  if (draw < options.largePart) {
    return LARGE
  }
  return draw < options.largePart + options.postPart ? SMALL : undefined
}

/** Backends answer `<upstream> <instance> <id> <digest of the body, or ->`. */
function readEcho(answer: HttpMessage, body: Buffer | undefined): Omit<ClientLine, keyof Started> {
  const [upstream = '', instance = '', echoedId = '', got] = answer.body.trim().split(' ')
  const good = answer.status >= 200 && answer.status <= 299
  const intact = got === (body === undefined ? '-' : DIGESTS.get(body))
  if (good) {
    return { status: answer.status, upstream, instance, echoedId, intact, error: '' }
  }
  const error = answer.body.slice(0, 200)
  return { status: answer.status, upstream: '', instance: '', echoedId: '', intact, error }
}

type Started = Pick<ClientLine, 'id' | 'method' | 'asked' | 'startMs' | 'endMs' | 'shown'>

function report(): LoadReport {
  const sum = (count: (connection: Connection) => number): number =>
    connections.reduce((total, connection) => total + count(connection), 0)
  return {
    requests: lines.length,
    opened: sum((connection) => connection.opened),
    closedIdle: sum((connection) => connection.closedIdle),
  }
}

const done = Promise.all(Array.from({ length: options.workers }, (_, number) => runWorker(number)))

answerParent(async (question) => {
  if (question === 'stop') {
    stopping = true
    await done
    writeFileSync(options.ledger, lines.map((line) => `${printClientLine(line)}\n`).join(''))
  }
  return report()
})
