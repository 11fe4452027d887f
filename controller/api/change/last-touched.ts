/**
 * When an instance changed last, where its records do not show it: an undrain leaves nothing behind
 * that has its revision. Who would then delete "as of" a revision at which the instance was drained
 * must hear that it no longer is.
 */
import type { ControllerEvent } from '../../views.js'

/** Instances that are remembered. Beyond, the oldest is forgotten, and only its records count. */
const MOST = 20_000

export class Touched {
  readonly #revisions = new Map<string, number>()

  note(event: ControllerEvent): void {
    if (event.type !== 'change' || event.kind !== 'instance') {
      return
    }
    const name = `${event.upstream ?? ''}/${event.id ?? ''}`
    this.#revisions.delete(name)
    this.#revisions.set(name, event.revision)
    if (this.#revisions.size > MOST) {
      const [oldest] = this.#revisions.keys()
      this.#revisions.delete(oldest as string)
    }
  }

  /** 0 when nothing is known. */
  revisionOf({ upstream, id }: { upstream: string; id: string }): number {
    return this.#revisions.get(`${upstream}/${id}`) ?? 0
  }

  /** The registry was replaced: its revisions begin anew. */
  clear(): void {
    this.#revisions.clear()
  }
}
