/**
 * Wakes who waits for news. A ring that nobody waits for is kept for the next wait, so nothing that comes between two waits is
 * missed. An AbortSignal would do, but makes an error for each ring: at 100 changes a second, a tenth of the controller's work.
 */
export class Alarm {
  #isRung = false
  #end: (() => void) | undefined

  ring(): void {
    this.#isRung = true
    this.#end?.()
  }

  /** Until it rings, `ms` at most. One waits at a time. */
  async wait(ms: number): Promise<void> {
    if (!this.#isRung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        this.#end = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.#isRung = false
    this.#end = undefined
  }
}
