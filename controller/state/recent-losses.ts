/**
 * Lost registrations of the last seconds, by upstream: one by one they look harmless, together they
 * may not be.
 */
import { isMassLoss } from './suspects.js'
import type { SuspectOptions } from './suspects.js'

interface Loss<T> {
  item: T
  atMs: number
}

export class Losses<T> {
  readonly #options: SuspectOptions
  readonly #recent = new Map<string, Loss<T>[]>()

  constructor(options: SuspectOptions) {
    this.#options = options
  }

  /**
   * Notes that `lost` went from an upstream of `before` instances (those included). Undefined:
   * believe it. Else it is too much, and the answer is what was lost and believed shortly before:
   * it should come back as well. `isBack` tells what of that has come back by itself.
   */
  add(upstream: string, before: number, lost: T[], isBack: (item: T) => boolean): T[] | undefined {
    const atMs = this.#options.now()
    const earlier = (this.#recent.get(upstream) ?? []).filter(
      (loss) => atMs - loss.atMs <= this.#options.windowMs && !isBack(loss.item),
    )
    if (isMassLoss(before + earlier.length, lost.length + earlier.length)) {
      this.#recent.delete(upstream)
      return earlier.map((loss) => loss.item)
    }
    this.#prune(atMs)
    this.#recent.set(upstream, [...earlier, ...lost.map((item) => ({ item, atMs }))])
    return undefined
  }

  #prune(atMs: number): void {
    for (const [upstream, losses] of this.#recent) {
      const last = losses.at(-1)
      if (last === undefined || atMs - last.atMs > this.#options.windowMs) {
        this.#recent.delete(upstream)
      }
    }
  }
}
