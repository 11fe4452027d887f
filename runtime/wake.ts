/**
 * A bell between the one who has news and the one loop that deals with them; a ring is never missed. An AbortSignal would do, but makes
 * an error for each ring: at 100 changes a second, a tenth of the controller's work.
 */
export class Wake {
  #rung = false
  #ring: (() => void) | undefined

  call(): void {
    this.#rung = true
    this.#ring?.()
  }

  /** Until the next call, at most `ms`; at once when there was one since the last wait. True when the time ran out. */
  async wait(ms: number): Promise<boolean> {
    const timedOut = !this.#rung && (await this.#until(ms))
    this.#rung = false
    return timedOut
  }

  /** The whole of `ms`, unless `enough()` holds at a call. The calls still count for the next {@link wait}. */
  async sleep(ms: number, enough: () => boolean): Promise<void> {
    const endAtMs = performance.now() + ms
    for (;;) {
      const leftMs = endAtMs - performance.now()
      if (enough() || leftMs <= 0 || (await this.#until(leftMs))) {
        return
      }
    }
  }

  #until(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#ring = undefined
        resolve(true)
      }, ms)
      this.#ring = () => {
        clearTimeout(timer)
        this.#ring = undefined
        resolve(false)
      }
    })
  }
}
