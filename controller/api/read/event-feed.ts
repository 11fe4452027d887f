/**
 * Recent events, kept in memory so that a client that was cut off can go on where it was. `since`
 * is the revision from which on none is missing; who asks for an earlier one has to read
 * everything anew.
 */
import type { ControllerForApi } from '../../controller-for-api.js'
import type { ControllerEvent } from '../../views.js'
import { Backlog } from '../http/backlog.js'
import type { Touched } from '../change/last-touched.js'

const MOST_EVENTS = 10_000

export class EventFeed {
  readonly #control: Pick<ControllerForApi, 'desired' | 'subscribe'>
  readonly #touched: Touched
  readonly #events: Backlog<ControllerEvent>
  readonly #listeners = new Set<() => void>()
  readonly #unsubscribe: () => void
  #highest: number
  /** The store was replaced, and its listing is coming in. */
  #isRestarting = false

  constructor(
    control: Pick<ControllerForApi, 'desired' | 'subscribe'>,
    touched: Touched,
    most = MOST_EVENTS,
  ) {
    this.#control = control
    this.#touched = touched
    this.#highest = control.desired().revision
    this.#events = new Backlog(most, this.#highest)
    this.#unsubscribe = control.subscribe((event) => this.#take(event))
  }

  /**
   * Number of the first event of revision `from` or later, or undefined when some are not there any
   * more (or never were).
   */
  find(from: number): number | undefined {
    const { revision } = this.#control.desired()
    if (from < this.#floor || from > Math.max(revision, this.#highest)) {
      return undefined
    }
    return this.#events.find(from)
  }

  /**
   * Event number `number`; undefined when it has not come yet, null when it is not there any more.
   */
  at(number: number): ControllerEvent | undefined | null {
    return this.#events.at(number)
  }

  /** Number of the next event to come. */
  get next(): number {
    return this.#events.next
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

  #take(event: ControllerEvent): void {
    // The desired state costs something. It is asked for only if the event seems to be of the past.
    const floor = this.#floor
    if (event.revision < floor && this.#control.desired().revision < floor) {
      this.#restart()
    }
    this.#highest = Math.max(this.#highest, event.revision)
    this.#touched.note(event)
    this.#events.push(event)
    this.#wake()
  }

  get #floor(): number {
    return this.#isRestarting ? 0 : this.#events.floor
  }

  /** The registry was replaced by one that counts anew. What clients know is void. */
  #restart(): void {
    this.#touched.clear()
    this.#isRestarting = true
    // The new store's listing comes in this same moment. Its revision is known after it.
    queueMicrotask(() => {
      this.#highest = this.#control.desired().revision
      this.#events.restart(this.#highest)
      this.#isRestarting = false
      this.#wake()
    })
  }

  #wake(): void {
    for (const wake of this.#listeners) {
      wake()
    }
  }
}
