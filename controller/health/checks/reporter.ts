/** What the checks found, for the log and for whoever listens. */
import { messageOf } from '../../../runtime/errors.js'
import type { Logger } from '../../../runtime/logger.js'
import type { Verdict } from './verdict.js'

/** More changes at once than this make one line of the log. */
const LINES = 10
const WARN_EVERY_MS = 60_000

/**
 * Reports what the checks found: changes once for each turn of the event loop, warnings once a
 * minute.
 */
export class Reporter {
  readonly #log: Logger
  readonly #now: () => number
  readonly #notify: (keys: string[]) => void
  /** By key, what was last reported. */
  readonly #changed = new Map<string, { before: Verdict | undefined; verdict: Verdict }>()
  readonly #warnedMs = new Map<string, number>()
  #soon: NodeJS.Immediate | undefined

  constructor(log: Logger, now: () => number, notify: (keys: string[]) => void) {
    this.#log = log
    this.#now = now
    this.#notify = notify
  }

  /** Whoever is new and up is no change: without a verdict it would be up too. */
  note(key: string, before: Verdict | undefined, verdict: Verdict): void {
    if ((before?.state ?? 'up') === verdict.state && before?.reason === verdict.reason) {
      return
    }
    this.#changed.set(key, { before: this.#changed.get(key)?.before ?? before, verdict })
    this.#soon ??= setImmediate(() => this.#flush())
  }

  forget(key: string): void {
    this.#changed.delete(key)
  }

  unmade(reason: string): void {
    if (this.#mayWarn('unmade')) {
      this.#log.error({ reason }, 'checks cannot be made')
    }
  }

  refused(key: string, port: number | undefined): void {
    if (this.#mayWarn('refused')) {
      this.#log.warn({ key, port }, 'not checked: Sluice itself listens at the port of its check')
    }
  }

  late(lateMs: number, intervalMs: number, atOnce: number): void {
    if (lateMs > intervalMs && this.#mayWarn('late')) {
      this.#log.warn(
        { lateMs: Math.round(lateMs), atOnce },
        'health checks are late by more than their interval',
      )
    }
  }

  close(): void {
    clearImmediate(this.#soon)
    this.#changed.clear()
  }

  #mayWarn(what: string): boolean {
    const last = this.#warnedMs.get(what)
    const now = this.#now()
    if (last !== undefined && now - last < WARN_EVERY_MS) {
      return false
    }
    this.#warnedMs.set(what, now)
    return true
  }

  #flush(): void {
    this.#soon = undefined
    const changed = [...this.#changed]
    this.#changed.clear()
    this.#write(
      changed.flatMap(([instance, { before, verdict }]) =>
        (before?.state ?? 'up') === verdict.state ? [] : [{ instance, ...verdict }],
      ),
    )
    if (changed.length === 0) {
      return
    }
    try {
      this.#notify(changed.map(([key]) => key))
    } catch (error) {
      // A caller that fails must not end the checks.
      this.#log.error({ error: messageOf(error) }, 'a change found by checks could not be handled')
    }
  }

  #write(moved: Array<{ instance: string } & Verdict>): void {
    if (moved.length > LINES) {
      const down = moved.filter(({ state }) => state === 'down').length
      const some = moved.slice(0, LINES).map(({ instance }) => instance)
      this.#log.warn({ down, up: moved.length - down, some }, 'many instances changed by checks')
      return
    }
    for (const { instance, state, reason } of moved) {
      if (state === 'down') {
        this.#log.warn({ instance, reason }, 'instance is down by its checks')
      } else {
        this.#log.info({ instance }, 'instance is up by its checks')
      }
    }
  }
}
