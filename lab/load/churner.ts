/** Changes one thing, one change after the other, as fast as they are answered. */
export abstract class Churner {
  #stopping = false
  #done: Promise<void> | undefined

  /** One change, or a few that belong together. */
  protected abstract step(): Promise<void>

  start(): void {
    this.#done = this.#run()
    // Whoever stops it learns of its failure; until then it is no unhandled one.
    this.#done.catch(() => undefined)
  }

  /** Lets the change that is under way finish. Rejects with what a change failed of. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#done
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      await this.step()
    }
  }
}
