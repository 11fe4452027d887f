/** What is due at a time, the soonest first. */

/** What a {@link DueQueue} holds; `place` is the queue's own, -1 outside of it. */
export interface Due {
  dueMs: number
  place: number
}

/**
 * A binary heap by due time from which any item can be taken out, so that what is forgotten leaves
 * nothing behind.
 */
export class DueQueue<T extends Due> {
  readonly #items: T[] = []

  get first(): T | undefined {
    return this.#items[0]
  }

  /** Puts it in, or to where it belongs after its `dueMs` has changed. */
  put(item: T): void {
    if (item.place < 0) {
      item.place = this.#items.length
      this.#items.push(item)
    }
    this.#sink(this.#rise(item))
  }

  remove(item: T): void {
    const { place } = item
    if (place < 0) {
      return
    }
    item.place = -1
    const last = this.#items.pop()
    if (last === undefined || last === item) {
      return
    }
    this.#set(last, place)
    this.#sink(this.#rise(last))
  }

  #set(item: T, place: number): void {
    item.place = place
    this.#items[place] = item
  }

  #rise(item: T): T {
    for (;;) {
      const parent = item.place > 0 ? this.#items[(item.place - 1) >> 1] : undefined
      if (parent === undefined || parent.dueMs <= item.dueMs) {
        return item
      }
      this.#swap(parent, item)
    }
  }

  #sink(item: T): void {
    for (;;) {
      const left = this.#items[item.place * 2 + 1]
      const right = this.#items[item.place * 2 + 2]
      const least =
        right !== undefined && left !== undefined && right.dueMs < left.dueMs ? right : left
      if (least === undefined || least.dueMs >= item.dueMs) {
        return
      }
      this.#swap(item, least)
    }
  }

  #swap(upper: T, lower: T): void {
    const { place } = upper
    this.#set(upper, lower.place)
    this.#set(lower, place)
  }
}
