/** Callers that wait until something is so. */

/** Time alone may make it so, without anybody's call of `look`. */
const LOOK_MS = 1_000

export class Waiters {
  readonly #waiting = new Set<() => void>()

  /** Something changed: everybody looks again. */
  look(): void {
    ;[...this.#waiting].forEach((look) => look())
  }

  /**
   * True as soon as `isSo` holds; false when it does not within `timeoutMs`, or before `signal`
   * aborts.
   */
  until(isSo: () => boolean, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (isSo() || timeoutMs <= 0 || signal?.aborted === true) {
      return Promise.resolve(isSo())
    }
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer)
        clearInterval(looks)
        this.#waiting.delete(look)
        signal?.removeEventListener('abort', end)
        resolve(isSo())
      }
      const look = (): void => {
        if (isSo()) {
          end()
        }
      }
      const timer = setTimeout(end, timeoutMs)
      const looks = setInterval(look, LOOK_MS)
      signal?.addEventListener('abort', end)
      this.#waiting.add(look)
    })
  }
}
