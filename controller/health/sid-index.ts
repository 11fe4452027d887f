/** Which upstreams have a peer, by its SID, and which peers nobody has had for long. */

/** An address often comes back, and requests to it may still be in flight. */
const FORGET_MS = 60_000

export class SidIndex {
  readonly #now: () => number
  readonly #upstreams = new Map<string, Set<string>>()
  /** Since when nobody has a peer that was there. */
  readonly #gone = new Map<string, number>()

  /** @param now Milliseconds that never go back. */
  constructor(now: () => number) {
    this.#now = now
  }

  upstreamsOf(sid: string): Iterable<string> {
    return this.#upstreams.get(sid) ?? []
  }

  /** An upstream has other peers than before. */
  move(upstream: string, before: ReadonlySet<string>, after: ReadonlySet<string>): void {
    for (const sid of before) {
      const names = this.#upstreams.get(sid)
      if (!after.has(sid) && names?.delete(upstream) === true && names.size === 0) {
        this.#upstreams.delete(sid)
        this.#gone.set(sid, this.#now())
      }
    }
    for (const sid of after) {
      this.#gone.delete(sid)
      this.#upstreams.set(sid, (this.#upstreams.get(sid) ?? new Set()).add(upstream))
    }
  }

  /** Peers that nobody has had for a minute. */
  longGone(): string[] {
    const before = this.#now() - FORGET_MS
    return [...this.#gone].filter(([, sinceMs]) => sinceMs < before).map(([sid]) => sid)
  }

  /** Nobody knows them any more. */
  forget(sids: string[]): void {
    sids.forEach((sid) => this.#gone.delete(sid))
  }
}
