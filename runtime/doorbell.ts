/**
 * A bell between whoever has news and the one loop that deals with them; no ring is missed.
 * An AbortSignal would do, but makes an error for each ring: at 100 changes a second, that is a
 * tenth of the controller's work.
 */
export class Doorbell {
  #rung = false
  #ring: (() => void) | undefined

  ring(): void {
    this.#rung = true
    this.#ring?.()
  }

  /**
   * Waits for the next ring, at most `ms`; not at all when there was one since the last wait.
   * True when the time ran out.
   */
  async wait(ms: number): Promise<boolean> {
    const timedOut = !this.#rung && (await this.#until(ms))
    this.#rung = false
    return timedOut
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
