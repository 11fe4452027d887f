/** The last things that happened, numbered, so that a client that was cut off can go on. */
export class Backlog<T extends { revision: number }> {
  readonly #most: number
  #items: T[] = []
  /** How many came before the first of `#items`. */
  #dropped = 0
  #floor: number

  /** Keeps the last `most` at least; nothing above the revision `floor` is missing. */
  constructor(most: number, floor: number) {
    this.#most = most
    this.#floor = floor
  }

  /** Nothing above this revision is missing. */
  get floor(): number {
    return this.#floor
  }

  /** Number of the next one to come. */
  get next(): number {
    return this.#dropped + this.#items.length
  }

  /** Number `number`; undefined when it has not come yet, null when it is not there any more. */
  at(number: number): T | undefined | null {
    return number < this.#dropped ? null : this.#items[number - this.#dropped]
  }

  /** Number of the first one of `revision` or later; the next one to come where there is none. */
  find(revision: number): number {
    const index = this.#items.findIndex((item) => item.revision >= revision)
    return index < 0 ? this.next : this.#dropped + index
  }

  /** All of later revisions. */
  above(revision: number): T[] {
    return this.#items.filter((item) => item.revision > revision)
  }

  push(item: T): void {
    this.#items.push(item)
    if (this.#items.length > this.#most * 2) {
      // By halves: to shift one at a time would cost more than the items.
      const dropped = this.#items.splice(0, this.#most)
      this.#dropped += dropped.length
      this.#floor = dropped.reduce((most, { revision }) => Math.max(most, revision), this.#floor)
    }
  }

  /** Forgets all. Numbers go on after a gap, so whoever follows sees that some are missing. */
  restart(floor: number): void {
    this.#dropped = this.next + 1
    this.#items = []
    this.#floor = floor
  }
}
