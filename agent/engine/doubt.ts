/**
 * Whether an engine that answers is to be believed. One that begins anew in an empty folder, or is
 * damaged, lists nothing, or does not know what it lists, while the containers still run.
 */
import type { Container } from './container.js'

/** For how long a loss of all is not believed where nothing else shows that they run. */
const HOLD_MS = 60_000

export interface DoubtOptions {
  /** Whether this machine sees a container's process alive. */
  lives(container: Container): boolean
  /** Milliseconds; default a minute. */
  holdMs?: number | undefined
}

export class Doubt {
  readonly #options: DoubtOptions
  #missingSinceMs: number | undefined

  constructor(options: DoubtOptions) {
    this.#options = options
  }

  /**
   * Known containers that a listing lacks and that stay all the same: of those that ran, none is
   * in it, though nobody said that they went, and one still lives, or several are gone at once.
   */
  held(known: Iterable<Container>, isListed: (id: string) => boolean): Container[] {
    const running = [...known].filter(({ status }) => status !== 'stopped')
    const isLoss = running.length > 0 && !running.some(({ id }) => isListed(id))
    if (!isLoss) {
      this.#missingSinceMs = undefined
      return []
    }
    this.#missingSinceMs ??= performance.now()
    const isYoung = performance.now() - this.#missingSinceMs < (this.#options.holdMs ?? HOLD_MS)
    const isHeld =
      running.some((one) => this.#options.lives(one)) || (isYoung && running.length > 1)
    return isHeld ? running : []
  }
}
