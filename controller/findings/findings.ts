/** The one list of what is wrong, for `status`, `/readyz`, `/v1/status`, metrics and events. */
import type { Logger } from '../../runtime/logger.js'
import { messageOf } from '../../runtime/errors.js'
import type { Finding } from '../views.js'
import { CURES } from './codes.js'
import type { Facts, Observation, FindingSource } from './facts.js'

export interface FindingsOptions {
  facts: Facts
  sources: readonly FindingSource[]
  log: Logger
  /** A finding began or ended. */
  onChange: (finding: Finding, state: 'begun' | 'ended') => void
  /** Unix milliseconds. */
  now?: () => number
}

const LOOK_EVERY_MS = 1000

/** Since when an observation is there without a gap, and the finding that it became. */
interface Seen {
  sinceAtMs: number
  finding: Finding | undefined
}

export class Findings {
  readonly #options: FindingsOptions
  readonly #now: () => number
  #seen = new Map<string, Seen>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: FindingsOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  start(): void {
    this.#timer = setInterval(() => this.list(), LOOK_EVERY_MS).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** What is wrong now, the longest first. */
  list(): Finding[] {
    const nowMs = this.#now()
    const before = this.#seen
    this.#seen = new Map()
    for (const observation of this.#observe(nowMs)) {
      const name = `${observation.code} ${observation.subject ?? ''}`
      this.#seen.set(name, seenOf(observation, before.get(name), nowMs))
    }
    this.#notify(before)
    const findings = [...this.#seen.values()].flatMap(({ finding }) => finding ?? [])
    return findings.sort((a, b) => a.sinceAtMs - b.sinceAtMs)
  }

  #observe(nowMs: number): Observation[] {
    const { sources, facts, log } = this.#options
    return sources.flatMap((source) => {
      try {
        return source(facts, nowMs)
      } catch (error) {
        // One source's fault must not hide what the others see.
        log.error({ error: messageOf(error) }, 'a source of findings failed')
        return []
      }
    })
  }

  #notify(before: ReadonlyMap<string, Seen>): void {
    const { onChange, log } = this.#options
    for (const [name, { finding }] of this.#seen) {
      if (finding !== undefined && before.get(name)?.finding === undefined) {
        const { code, subject, message } = finding
        log.warn({ code, subject }, message)
        onChange(finding, 'begun')
      }
    }
    for (const [name, { finding }] of before) {
      if (finding !== undefined && this.#seen.get(name)?.finding === undefined) {
        log.info({ code: finding.code, subject: finding.subject }, 'finding resolved')
        onChange(finding, 'ended')
      }
    }
  }
}

function seenOf(observation: Observation, before: Seen | undefined, nowMs: number): Seen {
  const { code, subject, message, graceMs = 0 } = observation
  const sinceAtMs = observation.sinceAtMs ?? before?.sinceAtMs ?? nowMs
  if (nowMs - sinceAtMs < graceMs) {
    return { sinceAtMs, finding: undefined }
  }
  const about = { code, ...(subject !== undefined && { subject }) }
  return { sinceAtMs, finding: { ...about, sinceAtMs, message, cure: CURES[code] } }
}
