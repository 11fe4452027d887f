/**
 * In which one way nginx's kept pool reaches each address. nginx looks a kept connection up by the
 * peer's address alone. One that was made for another upstream, for another name, or without
 * verification, must never carry a request. So an address has one way at a time, and the next one
 * only when no connection of the one before can be left. Pure, but for the time it is given.
 */
import type { Member } from './pool.js'

/** A peer and how it is reached: all that a connection to it depends on. */
export interface KeptMember extends Member {
  way: string
}

/**
 * Longer than nginx keeps a connection (nginx/kept-conf.ts): it keeps none that is older than five
 * minutes, and none for more than 30 s without use. A request may have been picked shortly before.
 */
export const KEPT_MS = 360_000

interface Owner {
  way: string
  isWanted: boolean
  /** When nginx was first seen without the address, since nobody wants this way. */
  leftMs: number | undefined
}

export interface KeptSituation {
  nowMs: number
  /** Whether nginx may have the address in its kept pool. */
  mayHave(sid: string): boolean
  /** Whether nginx's table says what the compiled one does: no request asks in an old way. */
  isLevel: boolean
}

export class KeptWays {
  readonly #owners = new Map<string, Owner>()
  /** Whether nginx may have connections that an earlier process let it make. */
  #isUnknown = true
  #unknownLeftMs: number | undefined

  /** Whether time alone may let in who is left out now. */
  get isWaiting(): boolean {
    return this.#isUnknown || [...this.#owners.values()].some(({ isWanted }) => !isWanted)
  }

  /** nginx was started anew: it has no connections. */
  forget(): void {
    this.#owners.clear()
    this.#isUnknown = false
  }

  /** Nobody knows what nginx has: somebody else may have answered it. */
  doubt(): void {
    this.#isUnknown = true
    this.#unknownLeftMs = undefined
  }

  /** Those of `candidates` that nginx may keep connections to. */
  select(candidates: readonly KeptMember[], now: KeptSituation): KeptMember[] {
    const wanted = new Map<string, KeptMember[]>()
    for (const member of candidates) {
      wanted.set(member.sid, [...(wanted.get(member.sid) ?? []), member])
    }
    this.#release(wanted, now)
    return [...wanted].flatMap(([sid, members]) => this.#own(sid, members) ?? [])
  }

  #release(wanted: ReadonlyMap<string, KeptMember[]>, now: KeptSituation): void {
    if (this.#isUnknown && !now.mayHave('')) {
      this.#unknownLeftMs ??= now.nowMs
      this.#isUnknown = !isOver(this.#unknownLeftMs, now)
    }
    for (const [sid, owner] of this.#owners) {
      owner.isWanted = wanted.get(sid)?.some(({ way }) => way === owner.way) === true
      if (owner.isWanted) {
        owner.leftMs = undefined
      } else if (owner.leftMs === undefined && !now.mayHave(sid)) {
        owner.leftMs = now.nowMs
      } else if (owner.leftMs !== undefined && isOver(owner.leftMs, now)) {
        this.#owners.delete(sid)
      }
    }
  }

  #own(sid: string, members: KeptMember[]): KeptMember | undefined {
    if (this.#isUnknown) {
      return undefined
    }
    const [first] = [...members].sort((a, b) => (a.way < b.way ? -1 : 1))
    const way = this.#owners.get(sid)?.way ?? first?.way
    const owner = members.find((member) => member.way === way)
    if (owner !== undefined) {
      this.#owners.set(sid, { way: owner.way, isWanted: true, leftMs: undefined })
    }
    return owner
  }
}

function isOver(sinceMs: number, { nowMs, isLevel }: KeptSituation): boolean {
  return isLevel && nowMs - sinceMs >= KEPT_MS
}
