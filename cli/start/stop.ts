/** The signals that end `sluice start`. */
const SIGNALS: NodeJS.Signals[] = ['SIGINT', 'SIGTERM']

/** What the user's signals ask for: the first one an orderly end, the second one an end at once. */
export class StopSignals {
  readonly #first = new AbortController()
  readonly #second = new AbortController()
  readonly #listener = () => {
    ;(this.#first.signal.aborted ? this.#second : this.#first).abort()
  }

  constructor() {
    for (const name of SIGNALS) {
      process.on(name, this.#listener)
    }
  }

  /** Between the steps of the start: nothing more is started once the end was asked for. */
  throwIfRequested(): void {
    this.#first.signal.throwIfAborted()
  }

  /** Resolves at the first signal. */
  whenRequested(): Promise<void> {
    return whenAborted(this.#first.signal)
  }

  /** Resolves at the second. */
  whenUrgent(): Promise<void> {
    return whenAborted(this.#second.signal)
  }

  end(): void {
    for (const name of SIGNALS) {
      process.off(name, this.#listener)
    }
  }
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve()
    } else {
      signal.addEventListener('abort', () => resolve(), { once: true })
    }
  })
}
