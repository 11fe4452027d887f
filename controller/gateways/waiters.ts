/** Callers that wait until something is so. */
export class Waiters {
  readonly #waiting = new Set<() => void>()

  /** Something changed: everybody looks again. */
  look(): void {
    ;[...this.#waiting].forEach((check) => check())
  }

  /** True as soon as `isSo` holds, false when that takes longer than `timeoutMs`. */
  until(isSo: () => boolean, timeoutMs: number): Promise<boolean> {
    if (isSo() || timeoutMs <= 0) {
      return Promise.resolve(isSo())
    }
    return new Promise((resolve) => {
      const end = (result: boolean): void => {
        clearTimeout(timer)
        this.#waiting.delete(check)
        resolve(result)
      }
      const check = (): void => {
        if (isSo()) {
          end(true)
        }
      }
      const timer = setTimeout(() => end(isSo()), timeoutMs)
      this.#waiting.add(check)
    })
  }
}
