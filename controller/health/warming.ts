/** The part of its weight that an address gets while it is new. Pure: times are passed in. */

/** From 10 % on, in as many equal steps. */
const STEPS = 9

export class Warming {
  readonly #sinceMs = new Map<string, number>()
  #slowStartMs = 0

  /** `slowStartMs` 0: nobody warms up. */
  follow(slowStartMs: number): void {
    this.#slowStartMs = slowStartMs
    if (slowStartMs === 0) {
      this.#sinceMs.clear()
    }
  }

  /** It begins to serve. */
  begin(sid: string, nowMs: number): void {
    if (this.#slowStartMs > 0) {
      this.#sinceMs.set(sid, nowMs)
    }
  }

  forget(sid: string): void {
    this.#sinceMs.delete(sid)
  }

  /**
   * Shares, above 0 and below 1, of those of `serving` that are still warming up. When all are new,
   * shares are relative to the oldest, because nobody else can take the load.
   */
  look(serving: Iterable<string>, nowMs: number): Map<string, number> {
    for (const [sid, sinceMs] of this.#sinceMs) {
      if (nowMs - sinceMs >= this.#slowStartMs) {
        this.#sinceMs.delete(sid)
      }
    }
    if (this.#sinceMs.size === 0) {
      return new Map()
    }
    const steps = [...serving].map((sid): [string, number] => [sid, this.#step(sid, nowMs)])
    const most = Math.max(...steps.map(([, step]) => step))
    const shares = steps.map(([sid, step]): [string, number] => [sid, round(step / most)])
    return new Map(shares.filter(([, share]) => share < 1))
  }

  /** When `look` will answer something else if nothing happens until then; undefined: never. */
  nextAtMs(nowMs: number): number | undefined {
    const stepMs = this.#slowStartMs / STEPS
    const nexts = [...this.#sinceMs.values()].map(
      (sinceMs) => sinceMs + (Math.floor((nowMs - sinceMs) / stepMs) + 1) * stepMs,
    )
    return nexts.length === 0 ? undefined : Math.min(...nexts)
  }

  /** 1 to 9 while new, then 10. */
  #step(sid: string, nowMs: number): number {
    const sinceMs = this.#sinceMs.get(sid)
    return sinceMs === undefined
      ? STEPS + 1
      : 1 + Math.floor((STEPS * (nowMs - sinceMs)) / this.#slowStartMs)
  }
}

function round(share: number): number {
  return Math.round(share * 100) / 100
}
