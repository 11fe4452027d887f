/**
 * Who sits in nginx's seats (contract/seat.ts). The table may lead to a seat only while nothing but
 * its own peer is in it, in every worker. So it does not before nginx itself has said that it is
 * (`prove`). And a seat goes on naming that peer until the table has not led to it for QUARANTINE:
 * a worker that finishes resolves nothing any more, and may still hold connections that wait.
 */
import { seatName } from '../../contract/seat.js'
import { printAddress } from '../../contract/guard/address.js'
import { POOL_DOMAIN, answersFor } from './pool.js'
import type { PoolAnswers } from './pool.js'
import type { PoolRecord } from './dns-answer.js'
import type { DnsNames } from './dns-responder.js'

/** A peer of an upstream, or of some of its instances, that is to have a seat. */
export interface Sitter {
  /** `:db` */
  unit: string
  sid: string
  host: string
  port: number
}

interface Seat {
  number: number
  sitter: Sitter | undefined
  answers: PoolAnswers
  /** nginx has asked for all of `answers`. */
  isAsked: boolean
  /** Nothing but the sitter is in it. */
  isProven: boolean
  /** The table has led to it, since it was free. */
  wasUsed: boolean
  /** Nobody wants the sitter seated any more. */
  isLeft: boolean
  /** Since when the table surely does not lead to it. */
  outAtMs: number | undefined
  /** Milliseconds between two proofs, and when the next one is due. */
  pauseMs: number
  dueAtMs: number
}

export const QUARANTINE_MS = 300_000
/** From a controller's start on, when nginx ran before: what it had seated then is not known. */
export const STRANGE_MS = 60_000
/** nginx asks again a second later. */
const TTL_SECONDS = 5
const SERVICE = /^_seat\._tcp\.s(\d{1,3})\.pool\.sluice$/
const TARGET = /^h[0-9a-f]{12}\.s(\d{1,3})\.pool\.sluice$/
/** From nginx's question to its having the answer. */
const SETTLE_MS = 200
const PAUSE = { firstMs: 1000, mostMs: 60_000 }

function freeSeat(number: number): Seat {
  return {
    number,
    sitter: undefined,
    answers: answersFor([], `s${number}.${POOL_DOMAIN}`),
    ...{ isAsked: false, isProven: false, wasUsed: false, isLeft: false },
    ...{ outAtMs: undefined, pauseMs: PAUSE.firstMs, dueAtMs: Infinity },
  }
}

function keyOf({ unit, sid }: Sitter): string {
  return `${unit} ${sid}`
}

export class Seats implements DnsNames {
  readonly #nowMs: () => number
  #seats: Seat[] = []
  /** By unit and SID. */
  readonly #taken = new Map<string, Seat>()
  readonly #moved = new Set<string>()
  /** Whether what the table leads to is known, and nginx asks nobody else. */
  #isLevel = false
  #isOurs = false
  #isTrusted = true
  #opensAtMs = 0

  /** `nowMs`: of a clock that never steps. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** nginx has so many. */
  resize(count: number): void {
    if (count !== this.#seats.length) {
      this.#taken.forEach((seat) => this.#move(seat))
      this.#taken.clear()
      this.#seats = Array.from({ length: count }, (_, number) => freeSeat(number))
    }
  }

  /** Whether nginx's questions come here. */
  own(isOurs: boolean): void {
    this.#isOurs = isOurs
    this.#taken.forEach((seat) => this.#doubt(seat))
  }

  /** False while the table has what nobody knows of. */
  trust(isTrusted: boolean): void {
    this.#isTrusted = isTrusted
    this.#isLevel &&= isTrusted
  }

  /** nginx is seen for the first time (and `ran` before), or was started anew. */
  nginxStarted(ran: boolean): void {
    this.#opensAtMs = ran ? this.#nowMs() + STRANGE_MS : this.#opensAtMs
    this.#taken.forEach((seat) => this.#doubt(seat))
  }

  /** The table is as the last {@link seatOf} and {@link units} said. */
  level(): void {
    this.#isLevel = this.#isTrusted
    for (const seat of this.#taken.values()) {
      if (seat.isLeft) {
        seat.outAtMs ??= this.#nowMs()
      }
    }
  }

  /** Those who are to sit; who comes first goes first where there are too few seats. */
  want(sitters: readonly Sitter[]): void {
    const nowMs = this.#nowMs()
    const wanted = new Map(sitters.map((sitter) => [keyOf(sitter), sitter]))
    for (const [key, seat] of this.#taken) {
      this.#leaveUnless(wanted.has(key), seat)
      if (seat.isLeft && (!seat.wasUsed || nowMs >= (seat.outAtMs ?? Infinity) + QUARANTINE_MS)) {
        this.#taken.delete(key)
        this.#seats[seat.number] = freeSeat(seat.number)
      }
    }
    if (this.#isLevel && this.#isOurs && nowMs >= this.#opensAtMs) {
      this.#seat([...wanted].flatMap(([key, sitter]) => (this.#taken.has(key) ? [] : sitter)))
    }
  }

  /** The seat that this peer surely has alone. */
  seatOf(unit: string, sid: string): number | undefined {
    const seat = this.#taken.get(`${unit} ${sid}`)
    if (seat?.isProven !== true || seat.isLeft) {
      return undefined
    }
    seat.wasUsed = true
    return seat.number
  }

  /** Seats that the table may lead to, or soon will. */
  *sitting(): Iterable<{ number: number; sitter: Sitter }> {
    for (const { number, sitter } of this.#taken.values()) {
      if (sitter !== undefined) {
        yield { number, sitter }
      }
    }
  }

  /** Names of units of which {@link seatOf} says something else since the last call. */
  takeMoved(): string[] {
    const moved = [...this.#moved]
    this.#moved.clear()
    return moved
  }

  /** While it is not known where the table leads, nginx is answered nothing. */
  answer(name: string, type: string): { records: PoolRecord[] | undefined } | undefined {
    const number = (type === 'SRV' ? SERVICE : TARGET).exec(name)?.[1]
    if (number === undefined) {
      return undefined
    }
    const seat = this.#seats[Number(number)]
    if (seat === undefined || !this.#isLevel) {
      return { records: undefined }
    }
    return { records: type === 'SRV' ? servicesOf(seat) : this.#targetOf(seat, name) }
  }

  /** Asks nginx who is in the seats that are due. `connected`: the address behind a seat's name. */
  async prove(connected: (seat: string) => Promise<string | undefined>): Promise<boolean> {
    const due = [...this.#taken.values()].filter((seat) => this.#nowMs() >= seat.dueAtMs)
    let isNews = false
    for (const seat of due) {
      const sitter = seat.sitter
      seat.pauseMs = Math.min(2 * seat.pauseMs, PAUSE.mostMs)
      seat.dueAtMs = this.#nowMs() + seat.pauseMs
      const address = await connected(seatName(seat.number))
      const isThere = this.#seats[seat.number] === seat && seat.dueAtMs < Infinity
      if (isThere && sitter !== undefined && address === printAddress(sitter.host, sitter.port)) {
        seat.isProven = true
        seat.dueAtMs = Infinity
        this.#move(seat)
        isNews = true
      }
    }
    return isNews
  }

  #seat(sitters: Sitter[]): void {
    for (const sitter of sitters) {
      const free = this.#seats.find((seat) => seat.sitter === undefined)
      if (free === undefined) {
        return
      }
      const { host, port, sid } = sitter
      free.sitter = sitter
      free.answers = answersFor([{ sid, host, port }], `s${free.number}.${POOL_DOMAIN}`)
      this.#taken.set(keyOf(sitter), free)
    }
  }

  #leaveUnless(isWanted: boolean, seat: Seat): void {
    if (seat.isLeft === isWanted) {
      seat.isLeft = !isWanted
      seat.outAtMs = undefined
      this.#move(seat)
    }
  }

  #targetOf(seat: Seat, name: string): PoolRecord[] | undefined {
    const addresses = seat.answers.targets.get(name)
    if (addresses !== undefined && seat.sitter !== undefined && !seat.isAsked) {
      seat.isAsked = true
      seat.dueAtMs = this.#nowMs() + SETTLE_MS
    }
    return addresses?.map((address) => ({ address, ttlSeconds: TTL_SECONDS }))
  }

  /** Who is in it is to be proven anew, once nginx has asked. */
  #doubt(seat: Seat): void {
    Object.assign(seat, { isProven: false, isAsked: false, dueAtMs: Infinity })
    seat.pauseMs = PAUSE.firstMs
    this.#move(seat)
  }

  #move({ sitter }: Seat): void {
    if (sitter !== undefined) {
      this.#moved.add(sitter.unit)
    }
  }
}

function servicesOf({ answers }: Seat): PoolRecord[] {
  return answers.services.map((service) => ({ ...service, ttlSeconds: TTL_SECONDS }))
}
