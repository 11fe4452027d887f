/** One source as the agent follows it: its last level, since when it is away, and doubt. */
import type { AgentSource } from '../../contract/record/agent-record.js'
import type { Logger } from '../../runtime/logger.js'
import type { Source, SourceLevel, SourceNote } from './source.js'
import type { SourcePart, Union } from './union.js'

export interface FollowedOptions {
  source: Source
  log: Logger
  /** Milliseconds for which a sudden loss is not believed; default a minute. */
  holdMs?: number | undefined
  /** The next plan may be another one. */
  onChange(): void
}

const HOLD_MS = 60_000
/** Of fewer instances, only the loss of all is sudden. */
const FEW = 10
const MOST_CHARACTERS = 300

/** Whether so many instances are gone at once that the source may be at fault, and not they. */
function isLoss(registered: number, wanted: number): boolean {
  return registered >= FEW ? wanted < registered / 2 : registered > 1 && wanted === 0
}

function countInstances(entries: ReadonlyMap<string, string>): number {
  return [...entries.keys()].filter((key) => key.startsWith('instances/')).length
}

export class FollowedSource {
  readonly #options: FollowedOptions
  #level: SourceLevel | undefined
  #away: AgentSource['away']
  /** Since when most of what is registered is missing. */
  #missing: { fromMs: number; sinceAtMs: number; count: number } | undefined
  #instances = 0
  #refused: SourceNote[] = []
  #logged = ''

  constructor(options: FollowedOptions) {
    this.#options = options
  }

  get name(): string {
    return this.#options.source.name
  }

  /** Whether it has said anything yet, be it that it cannot be read. */
  get isKnown(): boolean {
    return this.#level !== undefined || this.#away !== undefined
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { source, log } = this.#options
    const onChange = () => this.#options.onChange()
    await source.run(signal, {
      onLevel: (level) => {
        this.#level = level
        onChange()
      },
      onAway: (reason) => {
        this.#noteAway(reason)
        onChange()
      },
    })
    if (!signal.aborted) {
      // By contract it does not end before.
      log.error({ source: source.name }, 'a source is not followed any more')
    }
  }

  /** What it adds to the registry now. `own`: what is registered of it. */
  part(own: ReadonlyMap<string, string> = new Map()): SourcePart {
    const registered = countInstances(own)
    const isHeld = this.#level === undefined || this.#doubts(registered, this.#level)
    return { name: this.name, level: this.#level, held: isHeld ? own : new Map() }
  }

  /** Milliseconds until a loss is believed; undefined: there is none. */
  get dueMs(): number | undefined {
    return this.#missing === undefined
      ? undefined
      : Math.max(0, this.#missing.fromMs + this.#holdMs - performance.now()) + 1
  }

  /** What came of its part. `own`: its entries of the union. */
  settle(union: Union, own: ReadonlyMap<string, string> = new Map()): void {
    const { log, source } = this.#options
    this.#instances = countInstances(own)
    this.#refused = [...(this.#level?.refused ?? []), ...(union.refused.get(this.name) ?? [])]
    const warnings = [...(this.#level?.warnings ?? []), ...(union.warnings.get(this.name) ?? [])]
    const text = [...this.#refused, ...warnings].map((note) => `${note.name} ${note.text}`).join()
    if (text !== this.#logged && text !== '') {
      const fields = { source: source.name, refused: this.#refused, warnings }
      log.warn(fields, this.#refused.length > 0 ? 'entries refused' : 'entries ignored in part')
    }
    this.#logged = text
  }

  /** As the agent's record has it. */
  view(): AgentSource {
    const [first] = this.#refused
    const away = this.#away ?? this.#doubt()
    return {
      ...{ name: this.name, address: this.#options.source.address.slice(0, MOST_CHARACTERS) },
      ...{ instances: this.#instances, refused: this.#refused.length },
      ...(first && { refusal: `${first.name}: ${first.text}`.slice(0, MOST_CHARACTERS) }),
      ...(away && { away }),
    }
  }

  get #holdMs(): number {
    return this.#options.holdMs ?? HOLD_MS
  }

  #doubts(registered: number, level: SourceLevel): boolean {
    const wanted = level.instances.length
    if (!isLoss(registered, wanted)) {
      this.#missing = undefined
      return false
    }
    if (this.#missing === undefined) {
      const fields = { source: this.name, registered, wanted }
      this.#options.log.error(fields, 'a source is not believed: it has lost most of what it had')
      this.#missing = { fromMs: performance.now(), sinceAtMs: Date.now(), count: 0 }
    }
    this.#missing.count = registered - wanted
    return performance.now() - this.#missing.fromMs < this.#holdMs
  }

  #doubt(): AgentSource['away'] {
    if (this.#missing === undefined || this.dueMs === 1) {
      return undefined
    }
    const { sinceAtMs, count } = this.#missing
    return { reason: `${count} of its instances are gone at once`, sinceAtMs, isDoubted: true }
  }

  #noteAway(reason: string | undefined): void {
    const { log, source } = this.#options
    if (reason === undefined) {
      if (this.#away !== undefined) {
        log.info({ source: source.name }, 'source back')
      }
      this.#away = undefined
      return
    }
    if (this.#away === undefined) {
      log.warn({ source: source.name, reason }, 'source away; what is registered stays')
    }
    const sinceAtMs = this.#away?.sinceAtMs ?? Date.now()
    this.#away = { reason: reason.slice(0, MOST_CHARACTERS), sinceAtMs }
  }
}
