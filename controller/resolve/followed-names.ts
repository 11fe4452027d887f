/**
 * Names that are asked for again whenever their answers end: each one once, however many upstreams
 * have it. What was answered last stays while DNS fails, and over a restart.
 */
import { parseIp } from '../../contract/guard/address.js'
import { isObject } from '../../contract/guard/guarded.js'
import { isHost, isWhole } from '../../contract/guard/names.js'
import type { Logger } from '../../runtime/logger.js'
import { Backoff } from '../../runtime/retry.js'
import { EntryFile } from '../state/entry-file.js'
import type { RecordType } from './ask-server.js'
import { LEAST_TTL_MS } from './look-up.js'
import type { Answer, DnsRecord } from './look-up.js'

/** One question, and what is known of it. */
export interface FollowedName {
  readonly name: string
  readonly type: RecordType
  /** `unasked`: since this process began. */
  state: 'unasked' | Answer['kind']
  /** Why it is not good. */
  reason?: string
  /** Unix milliseconds since which it is not. */
  sinceAtMs?: number
  /** What was good last; undefined: nothing ever was. */
  records: DnsRecord[] | undefined
  /** Unix milliseconds at which it was. */
  goodAtMs?: number
}

export interface FollowedNamesOptions {
  /** File for what was good last. */
  path: string
  log: Logger
  lookUp: (name: string, type: RecordType) => Promise<Answer>
  onAnswer: () => void
}

interface Following extends FollowedName {
  backoff: Backoff
  timer: NodeJS.Timeout | undefined
}

interface StoredAnswer {
  records: DnsRecord[]
  goodAtMs: number
}

/** Questions that are under way at a time. */
const MOST_ASKED = 16
const WRITE_MS = 500
const RETRY = { firstMs: 1000, mostMs: 10_000 }

export class FollowedNames {
  readonly #options: FollowedNamesOptions
  readonly #file: EntryFile<StoredAnswer>
  readonly #stored: Map<string, StoredAnswer>
  readonly #followed = new Map<string, Following>()
  readonly #waiting: Following[] = []
  #asked = 0
  #isClosed = false

  constructor(options: FollowedNamesOptions) {
    this.#options = options
    const { path, log } = options
    this.#file = new EntryFile({
      ...{ path, log, what: 'the last answers of DNS', delayMs: WRITE_MS },
      parse: (_key, value) => parseStored(value),
      entries: () => this.#stored,
    })
    this.#stored = this.#file.read()
  }

  /** How the name stands; it is followed from now on. */
  get(name: string, type: RecordType): FollowedName {
    const key = keyOf(name, type)
    let found = this.#followed.get(key)
    if (found === undefined) {
      const stored = this.#stored.get(key)
      const last = { records: stored?.records, ...(stored && { goodAtMs: stored.goodAtMs }) }
      const backoff = new Backoff(RETRY)
      found = { name, type, state: 'unasked', ...last, backoff, timer: undefined }
      this.#followed.set(key, found)
      this.#ask(found)
    }
    return found
  }

  all(): FollowedName[] {
    return [...this.#followed.values()]
  }

  /** Those alone are followed on. */
  retain(wanted: ReadonlySet<FollowedName>): void {
    for (const [key, one] of this.#followed) {
      if (!wanted.has(one)) {
        clearTimeout(one.timer)
        this.#followed.delete(key)
      }
    }
    for (const key of [...this.#stored.keys()].filter((key) => !this.#followed.has(key))) {
      this.#stored.delete(key)
      this.#file.changed()
    }
  }

  close(): void {
    this.#isClosed = true
    this.#followed.forEach(({ timer }) => clearTimeout(timer))
    this.#followed.clear()
    this.#file.close()
  }

  #ask(one: Following): void {
    this.#waiting.push(one)
    this.#next()
  }

  #next(): void {
    while (this.#asked < MOST_ASKED) {
      const one = this.#waiting.shift()
      if (one === undefined) {
        return
      }
      if (this.#isFollowed(one)) {
        this.#asked += 1
        void this.#options.lookUp(one.name, one.type).then((answer) => {
          this.#asked -= 1
          this.#take(one, answer)
          this.#next()
        })
      }
    }
  }

  #isFollowed(one: Following): boolean {
    return !this.#isClosed && this.#followed.get(keyOf(one.name, one.type)) === one
  }

  #take(one: Following, answer: Answer): void {
    if (!this.#isFollowed(one)) {
      return
    }
    const waitMs = answer.kind === 'good' ? this.#onGood(one, answer) : this.#onBad(one, answer)
    one.timer = setTimeout(() => this.#ask(one), waitMs)
    one.timer.unref()
    this.#options.onAnswer()
  }

  /** Asked again before the answer ends: what changed is served within it. */
  #onGood(one: Following, answer: Extract<Answer, { kind: 'good' }>): number {
    const { records, ttlMs } = answer
    if (one.reason !== undefined) {
      this.#options.log.info({ name: one.name, type: one.type }, 'DNS answers again')
    }
    one.backoff.reset()
    const stored = this.#stored.get(keyOf(one.name, one.type))
    if (JSON.stringify(stored?.records) !== JSON.stringify(records)) {
      this.#stored.set(keyOf(one.name, one.type), { records, goodAtMs: Date.now() })
      this.#file.changed()
    }
    Object.assign(one, { state: 'good', records, goodAtMs: Date.now() })
    delete one.reason
    delete one.sinceAtMs
    return Math.max(LEAST_TTL_MS, ttlMs * (0.85 + Math.random() * 0.1))
  }

  #onBad(one: Following, { kind, reason }: Extract<Answer, { reason: string }>): number {
    if (one.reason !== reason) {
      this.#options.log.warn({ name: one.name, type: one.type, reason }, 'DNS does not answer')
    }
    const sinceAtMs = one.sinceAtMs ?? Date.now()
    Object.assign(one, { state: kind, reason, sinceAtMs })
    return one.backoff.nextMs()
  }
}

function keyOf(name: string, type: RecordType): string {
  return `${type} ${name}`
}

function parseStored(value: unknown): StoredAnswer | undefined {
  const { records, goodAtMs } = isObject(value) ? value : {}
  return Array.isArray(records) && records.every(isRecord) && typeof goodAtMs === 'number'
    ? { records, goodAtMs }
    : undefined
}

function isRecord(value: unknown): value is DnsRecord {
  const { value: text, port, priority, weight } = isObject(value) ? value : {}
  const numbers = [port, priority, weight]
  const isText = typeof text === 'string' && (parseIp(text) !== null || isHost(text))
  return isText && numbers.every((one) => one === undefined || isWhole(one, 0, 65_535))
}
