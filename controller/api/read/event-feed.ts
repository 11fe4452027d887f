/**
 * Recent events, kept in memory so that a client that was cut off can go on where it was. `since`
 * is the revision from which on none is missing; who asks for an earlier one has to read
 * everything anew.
 */
import type { Control } from '../../control.js'
import type { ControlEvent } from '../../views.js'
import type { Touched } from '../change/last-touched.js'

const MOST_EVENTS = 10_000

export class EventFeed {
  readonly #control: Pick<Control, 'desired' | 'subscribe'>
  readonly #touched: Touched
  readonly #most: number
  readonly #listeners = new Set<() => void>()
  readonly #unsubscribe: () => void
  #events: ControlEvent[] = []
  /** How many events came before the first of `#events`. */
  #dropped = 0
  #since: number
  #highest: number

  constructor(
    control: Pick<Control, 'desired' | 'subscribe'>,
    touched: Touched,
    most = MOST_EVENTS,
  ) {
    this.#control = control
    this.#touched = touched
    this.#most = most
    this.#since = control.desired().revision
    this.#highest = this.#since
    this.#unsubscribe = control.subscribe((event) => this.#take(event))
  }

  /**
   * Number of the first event of revision `from` or later, or undefined when some are not there any
   * more (or never were).
   */
  find(from: number): number | undefined {
    const { revision } = this.#control.desired()
    if (from < this.#since || from > Math.max(revision, this.#highest)) {
      return undefined
    }
    const index = this.#events.findIndex((event) => event.revision >= from)
    return index < 0 ? this.next : this.#dropped + index
  }

  /**
   * Event number `number`; undefined when it has not come yet, null when it is not there any more.
   */
  at(number: number): ControlEvent | undefined | null {
    return number < this.#dropped ? null : this.#events[number - this.#dropped]
  }

  /** Number of the next event to come. */
  get next(): number {
    return this.#dropped + this.#events.length
  }

  /** The revision that a client which starts now starts from. */
  get revision(): number {
    return this.#control.desired().revision
  }

  /** `wake` is called after each event. Answers the way to stop that. */
  listen(wake: () => void): () => void {
    this.#listeners.add(wake)
    return () => this.#listeners.delete(wake)
  }

  close(): void {
    this.#unsubscribe()
    this.#listeners.clear()
  }

  #take(event: ControlEvent): void {
    // The desired state costs something. It is asked for only if the event seems to be of the past.
    if (event.revision < this.#since && this.#control.desired().revision < this.#since) {
      this.#restart()
    }
    this.#highest = Math.max(this.#highest, event.revision)
    this.#touched.note(event)
    this.#events.push(event)
    if (this.#events.length > this.#most * 2) {
      // By halves: to shift one at a time would cost more than the events.
      const dropped = this.#events.splice(0, this.#most)
      this.#dropped += dropped.length
      this.#since = Math.max(this.#since, ...dropped.map(({ revision }) => revision))
    }
    this.#wake()
  }

  /** The registry was replaced by one that counts anew. What clients know is void. */
  #restart(): void {
    this.#touched.clear()
    this.#since = 0
    // The new store's listing comes in this same moment. Its revision is known after it.
    queueMicrotask(() => {
      this.#dropped = this.next + 1
      this.#events = []
      this.#since = this.#control.desired().revision
      this.#highest = this.#since
      this.#wake()
    })
  }

  #wake(): void {
    for (const wake of this.#listeners) {
      wake()
    }
  }
}
