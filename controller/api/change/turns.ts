/** Work that must not overlap, by name: each waits for those before it, whatever became of them. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>()

  async take<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name)
    let done: () => void = () => undefined
    const mine = new Promise<void>((resolve) => (done = resolve))
    this.#last.set(name, mine)
    await before
    try {
      return await work()
    } finally {
      if (this.#last.get(name) === mine) {
        this.#last.delete(name)
      }
      done()
    }
  }
}
