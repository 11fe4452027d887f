// Sends at a constant rate whatever comes back, in a process of its own: no other work may delay
// its clock.
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { answerParent } from '../../lab/load/child.js'
import type { Paced, PacedRun } from './open-loop.js'

interface Lane {
  socket: Socket
  head: Buffer
  received: Buffer
  /** When its request should have been sent; undefined while it has none. */
  dueMs: number | undefined
}

const NOTHING: Buffer = Buffer.alloc(0)
const lanes = new Map<string, Lane[]>()
let current: Slice | undefined

/**
 * One stretch at one rate. A request for which no connection is free waits, and its wait counts.
 */
class Slice {
  readonly latenciesMs: number[] = []
  readonly lateMs: number[] = []
  errors = 0
  readonly #run: PacedRun
  readonly #total: number
  readonly #idle: Lane[]
  readonly #waiting: number[] = []
  readonly #startMs = performance.now() + 5
  readonly #done: (paced: Paced) => void
  #next = 0

  constructor(run: PacedRun, lanes: Lane[], done: (paced: Paced) => void) {
    this.#run = run
    this.#total = Math.round(run.perSecond * run.seconds)
    this.#idle = [...lanes]
    this.#done = done
    this.#tick()
  }

  free(lane: Lane, dueMs: number, ok: boolean): void {
    if (ok) {
      this.latenciesMs.push(performance.now() - dueMs)
    } else {
      this.errors += 1
    }
    const waiting = this.#waiting.shift()
    if (waiting === undefined) {
      this.#idle.push(lane)
    } else {
      send(lane, waiting)
    }
  }

  /**
   * Without a timer: those of Node are no finer than a millisecond, which is more than an answer
   * takes.
   */
  #tick(): void {
    const nowMs = performance.now()
    const everyMs = 1000 / this.#run.perSecond
    while (this.#next < this.#total) {
      const dueMs = this.#startMs + this.#next * everyMs
      if (dueMs > nowMs) {
        break
      }
      this.#next += 1
      this.lateMs.push(nowMs - dueMs)
      const lane = this.#idle.pop()
      if (lane === undefined) {
        this.#waiting.push(dueMs)
      } else {
        send(lane, dueMs)
      }
    }
    if (this.latenciesMs.length + this.errors < this.#total) {
      setImmediate(() => this.#tick())
    } else {
      this.#done({ latenciesMs: this.latenciesMs, lateMs: this.lateMs, errors: this.errors })
    }
  }
}

function send(lane: Lane, dueMs: number): void {
  lane.dueMs = dueMs
  lane.socket.write(lane.head)
}

function openLane(run: PacedRun, key: string): Promise<Lane> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...run.target, noDelay: true })
    const head = Buffer.from(`GET / HTTP/1.1\r\nHost: ${run.host}\r\n\r\n`)
    const lane: Lane = { socket, head, received: NOTHING, dueMs: undefined }
    socket.once('connect', () => resolve(lane))
    socket.once('error', reject)
    socket.on('data', (chunk) => onData(lane, chunk))
    socket.on('close', () => onClose(key, lane))
  })
}

function onData(lane: Lane, chunk: Buffer): void {
  lane.received = lane.received.length === 0 ? chunk : Buffer.concat([lane.received, chunk])
  const end = lane.received.indexOf('\r\n\r\n')
  if (end < 0) {
    return
  }
  const head = lane.received.toString('latin1', 0, end)
  const length = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? NaN)
  if (Number.isNaN(length)) {
    throw new Error(`an answer without a length: ${head}`)
  }
  if (lane.received.length < end + 4 + length) {
    return
  }
  lane.received = NOTHING
  finish(lane, head.startsWith('HTTP/1.1 200'))
}

/** nginx closes none of its own accord here, so whoever closes one has failed its request. */
function onClose(key: string, lane: Lane): void {
  lanes.delete(key)
  finish(lane, false)
}

function finish(lane: Lane, ok: boolean): void {
  const dueMs = lane.dueMs
  lane.dueMs = undefined
  if (dueMs !== undefined) {
    current?.free(lane, dueMs, ok)
  }
}

answerParent(async (body) => {
  const run = body as PacedRun
  const key = JSON.stringify([run.target, run.host])
  const opened =
    lanes.get(key) ??
    (await Promise.all(Array.from({ length: run.connections }, () => openLane(run, key))))
  lanes.set(key, opened)
  return new Promise<Paced>((resolve) => {
    current = new Slice(run, opened, resolve)
  })
})
