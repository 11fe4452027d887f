/**
 * The units of stream{}'s table with what connections find there at once: which peers have seats
 * (contract/seat.ts), and for each slot of a port or a name where a connection goes that need ask
 * nobody.
 */
import { SEAT_PREFIX, seatName } from '../../contract/seat.js'
import { SLOTS } from '../../contract/table/limits.js'
import { parseRules } from '../../contract/table/rules.js'
import { Width, parsePeer, printPeer, upstreamOf } from '../../contract/table/table.js'
import type { PeerLine } from '../../contract/table/table.js'
import type { Seats, Sitter } from '../pool/seats.js'
import { isSameUnit, makeUnit, peersIn } from './unit.js'
import type { Unit } from './unit.js'

/** Each has up to SLOTS entries in a small table; connections to others take a longer way. */
const READY_HOSTS = 100
/** The record of a port or a name with one untuned route to one upstream, `/ :db`. */
const PLAIN_HOST = /^\/ (:[^\n\t ]+)$/

function recordOf(unit: Unit): string {
  return (unit.entries.get(unit.name) ?? '').slice(Width.Digest)
}

/** Those to whom nothing is said before they were asked: others could serve in their place. */
function askedFirst(unit: Unit): PeerLine[] {
  const up = peersIn(unit).filter((peer) => peer.up)
  return up.length < 2 || parseRules(recordOf(unit))?.tries === 1 ? [] : up
}

/** The pool's resolver asks for no IPv6 addresses. */
function sitterOf(unit: string, { sid, address }: PeerLine): Sitter[] {
  const colon = address.lastIndexOf(':')
  const [host, port] = [address.slice(0, colon), Number(address.slice(colon + 1))]
  return host.includes(':') ? [] : [{ unit, sid, host, port }]
}

/** The unit with each entry as `map` has it. */
function mapped(unit: Unit, map: (key: string, value: string) => string): Unit {
  const below = [...unit.entries].filter(([key]) => key !== unit.name)
  const entries = new Map(below.map(([key, value]) => [key, map(key, value)]))
  return makeUnit(unit.name, recordOf(unit), entries)
}

export class SeatedUnits {
  readonly #seats: Seats
  readonly #units = new Map<string, Unit>()
  #sitters: Sitter[] = []
  #ready: ReadonlySet<string> = new Set()

  constructor(seats: Seats) {
    this.#seats = seats
  }

  get units(): ReadonlyMap<string, Unit> {
    return this.#units
  }

  /**
   * Follows `compiled`, of which `changed` are new, changed or gone. `isTcp`: whether connections
   * to an upstream are TCP. Answers the names of the units that are new, changed or gone here.
   */
  update(
    compiled: ReadonlyMap<string, Unit>,
    changed: ReadonlySet<string>,
    isTcp: (upstream: string) => boolean,
  ): Set<string> {
    const stale = new Set(changed)
    if (changed.size > 0) {
      this.#chooseReady(compiled, stale)
      this.#sitters = [...compiled.values()]
        .filter(({ name }) => name.startsWith(':') && isTcp(upstreamOf(name)))
        .flatMap((unit) => askedFirst(unit).flatMap((peer) => sitterOf(unit.name, peer)))
    }
    this.#seats.want(this.#sitters)
    this.#seats.takeMoved().forEach((name) => stale.add(name))
    const news = new Set<string>()
    for (const unit of stale.size === 0 ? [] : compiled.values()) {
      const reads = [unit.name, targetOf(unit), namesOf(unit)]
      if (reads.some((name) => name !== undefined && stale.has(name))) {
        this.#set(this.#seated(unit, compiled), news)
      }
    }
    this.#updateSeats(news)
    for (const name of this.#units.keys()) {
      if (!compiled.has(name) && !name.startsWith(`@${SEAT_PREFIX}`)) {
        this.#drop(name, news)
      }
    }
    return news
  }

  /** The first by name; those that come and go are stale. */
  #chooseReady(compiled: ReadonlyMap<string, Unit>, stale: Set<string>): void {
    const hosts = [...compiled.values()].filter((unit) => targetOf(unit) !== undefined)
    const names = hosts.map(({ name }) => name).sort()
    const ready = new Set(names.slice(0, READY_HOSTS))
    const isOther = (name: string) => ready.has(name) !== this.#ready.has(name)
    new Set([...ready, ...this.#ready]).forEach((name) => isOther(name) && stale.add(name))
    this.#ready = ready
  }

  /** A unit for each seat, which says who refused when a connection comes from behind it. */
  #updateSeats(news: Set<string>): void {
    const names = new Set<string>()
    for (const { number, sitter } of this.#seats.sitting()) {
      const unit = makeUnit(`@${SEAT_PREFIX}${number}`, `${sitter.unit} ${sitter.sid}`, new Map())
      names.add(unit.name)
      this.#set(unit, news)
    }
    for (const name of this.#units.keys()) {
      if (name.startsWith(`@${SEAT_PREFIX}`) && !names.has(name)) {
        this.#drop(name, news)
      }
    }
  }

  #seated(unit: Unit, compiled: ReadonlyMap<string, Unit>): Unit {
    if (unit.name.startsWith(':')) {
      const isLines = (key: string) => key.charAt(unit.name.length) === '#'
      return mapped(unit, (key, value) => (isLines(key) ? this.#seatedLines(unit, value) : value))
    }
    const target = compiled.get(targetOf(unit) ?? '')
    const isReady = target !== undefined && this.#ready.has(unit.name)
    return isReady ? this.#withTargets(unit, target, compiled) : unit
  }

  #seatedLines({ name }: Unit, lines: string): string {
    const seated = lines.split('\n').map((line) => {
      const peer = parsePeer(line)
      const seat = this.#seats.seatOf(name, peer.sid)
      return seat === undefined ? line : printPeer({ ...peer, pooled: true, seat: `${seat}` })
    })
    return seated.join('\n')
  }

  /** A port with names has nothing ready: the client's name is asked for first. */
  #withTargets(host: Unit, target: Unit, compiled: ReadonlyMap<string, Unit>): Unit {
    if (compiled.has(namesOf(host) ?? '')) {
      return host
    }
    const isUdp = host.name.startsWith('@udp*')
    const asked = new Set(isUdp ? [] : askedFirst(target).map(({ sid }) => sid))
    const up = peersIn(target).filter((peer) => peer.up)
    const goals = new Map<string, string | undefined>()
    for (const { sid, address } of up) {
      const seat = asked.has(sid) ? this.#seats.seatOf(target.name, sid) : undefined
      const isReady = !asked.has(sid) || seat !== undefined
      goals.set(sid, isReady ? (seat === undefined ? address : seatName(seat)) : undefined)
    }
    const entries = new Map<string, string>()
    for (let slot = 0; slot < SLOTS; slot++) {
      const sid = target.entries.get(`${target.name}/${slot}`) ?? ''
      const goal = goals.get(sid)
      if (goal !== undefined) {
        entries.set(`${host.name}/${slot}`, `${sid} ${goal}`)
      }
    }
    return makeUnit(host.name, recordOf(host), entries)
  }

  #set(unit: Unit, news: Set<string>): void {
    if (!isSameUnit(this.#units.get(unit.name), unit)) {
      this.#units.set(unit.name, unit)
      news.add(unit.name)
    }
  }

  #drop(name: string, news: Set<string>): void {
    this.#units.delete(name)
    news.add(name)
  }
}

/** The one upstream, or part of one, that a port or a name leads to. */
function targetOf(unit: Unit): string | undefined {
  return unit.name.startsWith('@') ? PLAIN_HOST.exec(recordOf(unit))?.[1] : undefined
}

/** The unit that says that a TCP port has names. */
function namesOf({ name }: Unit): string | undefined {
  const port = /^@tcp\*(\d+)$/.exec(name)?.[1]
  return port === undefined ? undefined : `@${port}*`
}
