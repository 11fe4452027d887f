/**
 * Whether an engine that answers is to be believed. One that begins anew in an empty folder, or is
 * damaged, lists nothing, or does not know what it lists, while the containers still run.
 */
import type { Container } from './container.js'

/** For how long a loss of all is not believed where nothing else shows that they run. */
const HOLD_MS = 60_000

/** `a, b, c, and 4 more` */
export function shownNames(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ')
  return names.length > 3 ? `${shown}, and ${names.length - 3} more` : shown
}

type Known = Pick<Container, 'id' | 'status'>

export interface DoubtOptions<T extends Known> {
  /** Whether this machine sees a container's process alive. */
  lives(container: T): boolean
  /** Milliseconds; default a minute. */
  holdMs?: number | undefined
}

export class Doubt<T extends Known> {
  readonly #options: DoubtOptions<T>
  #missingSinceMs: number | undefined

  constructor(options: DoubtOptions<T>) {
    this.#options = options
  }

  /**
   * Known containers that a listing lacks and that stay all the same: of those that ran, none is
   * in it, though nobody said that they went, and one still lives, or several are gone at once.
   */
  held(known: Iterable<T>, isListed: (id: string) => boolean): T[] {
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
