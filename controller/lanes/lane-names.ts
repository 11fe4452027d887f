/**
 * The DNS names of lanes, `<id>.lane.sluice`: who is in a lane, as nginx is answered, and whether
 * nginx has taken it. Pure but for the clock that it is given.
 *
 * What applies an answer in nginx also sets the time of the next question. So the next question
 * from the same socket proves that the answers before it were taken: all of them, unless one was
 * lost on the way. For that one nginx waits some seconds, so that its next question comes late. A
 * question that is only sent again has the number of before.
 *
 * An nginx that has taken all is answered only when something changes, or before it would give up.
 * So a change reaches it at once, and one that is left alone asks seldom.
 */
import type { DnsAsker, DnsNames } from '../pool/dns-responder.js'
import type { PoolRecord } from '../pool/dns-answer.js'
import { answersFor, servicesOf } from '../pool/pool.js'
import type { Member } from '../pool/pool.js'

export const LANE_DOMAIN = 'lane.sluice'

/** Who is in a lane. */
export type LanePeer = Required<Member>

/** Of names, by what is asked of them. */
const PATTERNS = new Map([
  ['SRV', /^_http\._tcp\.([0-9a-f]{12})\.lane\.sluice$/],
  ['A', /^h[0-9a-f]{12}\.([0-9a-f]{12})\.lane\.sluice$/],
])
/** What nginx adds to the life of an answer before it asks again, and how much later it may be. */
const NEXT_MS = 1000
const LATE_MS = 700
/** From a question that nginx gave up to its next one, at most, and some time on the way. */
const GIVEN_UP_MS = 2500
/** An asker of which nothing was heard for so long beyond its time is gone: nginx was reloaded. */
const GONE_MS = 2500
/** How long an answer waits for a change. Shorter than `resolver_timeout` of a lane. */
const HELD_MS = 17_000
/** How often nginx sends a question again that is not answered. */
const AGAIN_MS = 6000
const RELEASE_MS = 500
/** How often nginx asks for lanes that nobody can open. */
const IDLE_SECONDS = 30
/** Of one datagram that nginx reads, less the head. */
const MOST_BYTES = 3900
const SRV_BYTES = 66
const A_BYTES = 16

/** What nginx is answered; another object for each other set of peers. */
interface Answers {
  services: PoolRecord[]
  targets: ReadonlyMap<string, PoolRecord[]>
}

/** Of a lane without anybody it is a place at which nobody listens, and no gate leads there. */
function answersOf(id: string, peers: readonly LanePeer[], ttlSeconds: number): Answers {
  const { services, targets } = answersFor(peers, `${id}.${LANE_DOMAIN}`)
  const addresses = [...targets].map(([target, hosts]): [string, PoolRecord[]] => {
    return [target, hosts.map((address) => ({ address, ttlSeconds }))]
  })
  return {
    services: services.map((service) => ({ ...service, ttlSeconds })),
    targets: new Map(addresses),
  }
}

/** Whether all of it fits into single datagrams, which alone are followed. */
export function fitsDns(peers: readonly LanePeer[]): boolean {
  const isFitting = servicesOf(peers).length * SRV_BYTES <= MOST_BYTES
  return isFitting && peers.length * A_BYTES <= MOST_BYTES
}

/** A worker of nginx that asks, by its port. */
interface Asker {
  /** The number of its last question. */
  id: number
  /** Answers that question, which waits for a change. */
  held: DnsAsker['send'] | undefined
  /** What it was answered last, when, and for which targets it asked since. */
  answers: Answers
  atMs: number
  ttlSeconds: number
  asked: Set<string>
  /** What it surely has taken. */
  taken: Answers | undefined
  seenAtMs: number
}

/** One lane: what is answered, and who has taken it. */
class LaneAnswers {
  readonly id: string
  readonly #askers = new Map<number, Asker>()
  #answers: Answers
  #ttlSeconds: number

  constructor(id: string) {
    this.id = id
    this.#ttlSeconds = IDLE_SECONDS
    this.#answers = answersOf(id, [], this.#ttlSeconds)
  }

  set(peers: readonly LanePeer[], ttlSeconds: number, nowMs: number): void {
    this.#ttlSeconds = ttlSeconds
    this.#answers = answersOf(this.id, peers, ttlSeconds)
    this.release(nowMs)
  }

  /** Answers what was asked at `untilMs` or before, and waits for a change. */
  release(nowMs: number, untilMs = nowMs): void {
    for (const asker of this.#askers.values()) {
      const { held } = asker
      if (held !== undefined && asker.atMs <= untilMs) {
        Object.assign(asker, this.#given(nowMs))
        held(asker.answers.services)
      }
    }
  }

  #given(atMs: number): Pick<Asker, 'held' | 'answers' | 'atMs' | 'ttlSeconds' | 'asked'> {
    const [answers, ttlSeconds] = [this.#answers, this.#ttlSeconds]
    return { held: undefined, answers, atMs, ttlSeconds, asked: new Set() }
  }

  /** Whether all that ask have taken what is answered now, and there is one. */
  isTaken(nowMs: number): boolean {
    const newest = [...this.#askers.keys()].at(-1)
    for (const [port, { seenAtMs, ttlSeconds, held }] of this.#askers) {
      const nextMs = held === undefined ? ttlSeconds * 1000 + NEXT_MS : AGAIN_MS
      if (nowMs - seenAtMs > nextMs + GONE_MS) {
        // The nginx of today is stuck. One that is to end may ask on, but serves no new clients.
        if (port === newest) {
          return false
        }
        this.#askers.delete(port)
      }
    }
    return (
      this.#askers.size > 0 &&
      [...this.#askers.values()].every(({ taken }) => taken === this.#answers)
    )
  }

  /** Whether nginx has the lane at all. */
  isAsked(): boolean {
    return this.#askers.size > 0
  }

  /** What waits is answered, for it may be nginx's of today. */
  forget(nowMs: number): void {
    this.release(nowMs)
    this.#askers.clear()
  }

  knows(asker: number): boolean {
    return this.#askers.has(asker)
  }

  hasTaken(asker: number): boolean {
    return this.#askers.get(asker)?.taken === this.#answers
  }

  /** Undefined where nginx has all of it: then it is answered later. `sentAtMs`: asked since. */
  services(from: DnsAsker, nowMs: number, sentAtMs: number): PoolRecord[] | undefined {
    const { port, id } = from
    const before = this.#askers.get(port)
    if (before?.id === id) {
      before.seenAtMs = nowMs
      // Which of two answers nginx takes nobody knows, so they are the same.
      return before.held === undefined ? before.answers.services : undefined
    }
    if (before === undefined) {
      // Workers of before may be gone, which is seen sooner of those that are not waited for.
      this.release(nowMs)
    }
    const taken = before === undefined ? undefined : takenBy(before, nowMs)
    const isHeld = taken === this.#answers && this.#ttlSeconds === 0
    const asker = { ...this.#given(sentAtMs), id, taken, seenAtMs: nowMs }
    this.#askers.set(port, { ...asker, held: isHeld ? (records) => from.send(records) : undefined })
    return isHeld ? undefined : this.#answers.services
  }

  get current(): PoolRecord[] {
    return this.#answers.services
  }

  addresses(target: string, asker: number | undefined, nowMs: number): PoolRecord[] | undefined {
    const known = asker === undefined ? undefined : this.#askers.get(asker)
    if (known?.answers.targets.has(target) === true) {
      known.asked.add(target)
      known.seenAtMs = nowMs
    }
    return this.#answers.targets.get(target) ?? known?.answers.targets.get(target)
  }
}

/** What a socket has surely taken, now that it asks again. */
function takenBy(
  { answers, atMs, ttlSeconds, asked, taken, held }: Asker,
  nowMs: number,
): Answers | undefined {
  if (held !== undefined) {
    // It gave up a question, or is another one at the same port.
    return undefined
  }
  const gapMs = nowMs - atMs
  const lifeMs = ttlSeconds * 1000
  // nginx counts the life of an answer in whole seconds, of which the first may be over.
  const isEarly = lifeMs > 0 && gapMs < Math.max(lifeMs - NEXT_MS / 2, GIVEN_UP_MS)
  const isInTime = !isEarly && gapMs < lifeMs + NEXT_MS + LATE_MS
  const isWhole = [...answers.targets.keys()].every((target) => asked.has(target))
  // What was taken stays: an answer that is lost later takes some peers away, and adds none.
  return (isInTime && isWhole) || taken === answers ? answers : undefined
}

export interface LaneNamesOptions {
  /** Somebody asks for this lane that did not before: a worker, an nginx. It has taken nothing. */
  onAsker(id: string): void
  /** Somebody has surely taken what is answered, and had not before. */
  onTaken(): void
  now?: () => number
}

export class LaneNames implements DnsNames {
  readonly #options: LaneNamesOptions
  readonly #lanes = new Map<string, LaneAnswers>()
  /** Until it is known which lanes there are, nginx keeps what it has. */
  #isReady = false
  #beatAtMs: number | undefined
  #beforeBeatMs: number | undefined
  #releasedAtMs = 0

  constructor(options: LaneNamesOptions) {
    this.#options = options
  }

  /**
   * To be called regularly. A question that is read now may have waited while this process was
   * busy, but it came after the last beat but one.
   */
  beat(): void {
    this.#beforeBeatMs = this.#beatAtMs
    const nowMs = this.#now()
    this.#beatAtMs = nowMs
    if (nowMs - this.#releasedAtMs >= RELEASE_MS) {
      this.#releasedAtMs = nowMs
      this.#lanes.forEach((lane) => lane.release(nowMs, nowMs - HELD_MS))
    }
  }

  /**
   * nginx asks again after `ttlSeconds` and one more; where that is 0, and nginx has all of it, it
   * waits for a change.
   */
  set(id: string, peers: readonly LanePeer[], ttlSeconds: number): void {
    const lane = this.#lanes.get(id) ?? new LaneAnswers(id)
    this.#lanes.set(id, lane)
    lane.set(peers, ttlSeconds, this.#now())
  }

  /** Lanes that none of these is any more are answered with nobody, seldom. */
  retain(ids: ReadonlyMap<string, unknown>): void {
    this.#isReady = true
    for (const [id, lane] of this.#lanes) {
      if (!ids.has(id)) {
        lane.set([], IDLE_SECONDS, this.#now())
        this.#lanes.delete(id)
      }
    }
  }

  isTaken(id: string): boolean {
    return this.#lanes.get(id)?.isTaken(this.#now()) === true
  }

  isAsked(id: string): boolean {
    return this.#lanes.get(id)?.isAsked() === true
  }

  /** nginx was started anew. */
  forget(): void {
    this.#lanes.forEach((lane) => lane.forget(this.#now()))
  }

  answer(
    name: string,
    type: string,
    asker: DnsAsker | undefined,
  ): { records: readonly PoolRecord[] | undefined } | undefined {
    const [, id] = PATTERNS.get(type)?.exec(name) ?? []
    if (id === undefined || !this.#isReady) {
      return undefined
    }
    // One that a former generation of the configuration has.
    const lane = this.#lanes.get(id) ?? new LaneAnswers(id)
    if (type === 'A') {
      const records = lane.addresses(name, asker?.port, this.#now())
      return records && { records }
    }
    return { records: asker === undefined ? lane.current : this.#services(lane, asker) }
  }

  #services(lane: LaneAnswers, asker: DnsAsker): PoolRecord[] | undefined {
    if (!lane.knows(asker.port)) {
      this.#options.onAsker(lane.id)
    }
    const before = lane.hasTaken(asker.port)
    const nowMs = this.#now()
    const services = lane.services(asker, nowMs, this.#beforeBeatMs ?? nowMs)
    if (!before && lane.hasTaken(asker.port)) {
      this.#options.onTaken()
    }
    return services
  }

  #now(): number {
    return this.#options.now?.() ?? performance.now()
  }
}
