/** Those who follow the controller's events. */
import { messageOf } from '../runtime/errors.js'
import type { Logger } from '../runtime/logger.js'
import type { ControlEvent } from './views.js'

export class ControlEvents {
  readonly #log: Logger
  readonly #listeners = new Set<(event: ControlEvent) => void>()

  constructor(log: Logger) {
    this.#log = log
  }

  /** Events from now on, in order. Returns the way to stop. */
  subscribe(listener: (event: ControlEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  emit(event: ControlEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (error) {
        // One listener's fault is not the others'.
        this.#log.error({ error: messageOf(error) }, 'event listener failed')
      }
    }
  }
}
