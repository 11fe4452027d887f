/**
 * The key by which cookies name instances. It is in the registry, so that a session survives
 * another gateway. The first controller that finds none makes it.
 */
import { randomBytes } from 'node:crypto'
import { printKey } from '../../contract/keys.js'
import { guardSessionKey } from '../../contract/record/session-key.js'
import type { SessionKeyRecord } from '../../contract/record/session-key.js'
import { right, wrong } from '../../contract/guard/guarded.js'
import type { Guarded } from '../../contract/guard/guarded.js'
import { messageOf, SluiceError } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { Loop } from '../../runtime/loop.js'
import type { Change, Listing, Registry, RegistryEntry } from '../../registry/registry.js'
import type { RefusedView } from '../views.js'
import { readKnown } from './known-fields.js'

export interface SessionKeyOptions {
  registry: Pick<Registry, 'commit'>
  log: Logger
  /** Whether this gateway gives cookies. One that gives none makes no key. */
  isUsed: boolean
  /** The key is another one. */
  onChange(): void
}

const KEY = printKey({ kind: 'secrets', id: 'sessions' })
/** What requests may have been served by. */
const SERVED = /^(upstreams|instances|routes)\//
const ROUND_MS = 60_000
const RETRY = { firstMs: 1000, mostMs: 60_000 }

function read(text: string): Guarded<SessionKeyRecord> {
  try {
    const found = readKnown(JSON.parse(text), guardSessionKey)
    return found.ok ? right(found.value.record) : found
  } catch {
    return wrong('json', 'must be JSON')
  }
}

export class SessionKey {
  readonly #options: SessionKeyOptions
  readonly #loop: Loop
  #value: string | undefined
  #isMissing = false
  #refused: RefusedView | undefined

  constructor(options: SessionKeyOptions) {
    this.#options = options
    this.#loop = new Loop({
      round: (loop) => this.#round(loop),
      onError: (error) =>
        options.log.error({ error: messageOf(error) }, 'the key of sessions cannot be written'),
      retry: RETRY,
    })
  }

  /** 64 hex digits; undefined before the registry was read. */
  get value(): string | undefined {
    return this.#value
  }

  /** The registry's value, where it is no key. */
  refused(): RefusedView[] {
    return this.#refused === undefined ? [] : [this.#refused]
  }

  start(): void {
    this.#loop.start()
  }

  onListing({ entries }: Listing): void {
    const entry = entries.find(({ key }) => key === KEY)
    if (entry === undefined) {
      this.#miss(!entries.some(({ key }) => SERVED.test(key)))
    } else {
      this.#read(entry)
    }
  }

  onChanges(changes: Change[]): void {
    for (const change of changes.filter(({ key }) => key === KEY)) {
      if (change.type === 'put') {
        this.#read(change)
      } else {
        this.#miss()
      }
    }
  }

  /** Ends the writing that is under way. */
  close(): Promise<void> {
    return this.#loop.close()
  }

  /** What is no key replaces none; where none is known, this gateway has one of its own. */
  #read({ value, revision }: RegistryEntry): void {
    const found = read(value)
    this.#isMissing = false
    if (found.ok) {
      this.#refused = undefined
      this.#set(found.value.key)
      return
    }
    const message = `${found.field} ${found.message}`.trim()
    if (this.#refused?.revision !== revision) {
      this.#options.log.error({ key: KEY }, `the key of sessions is refused: ${message}`)
    }
    this.#refused = { key: KEY, message, revision, sinceAtMs: Date.now() }
    this.#set(this.#value ?? newKey())
  }

  #set(value: string): void {
    const before = this.#value
    if (before === value) {
      return
    }
    this.#value = value
    if (before !== undefined) {
      this.#options.log.warn('the key of sessions is another one: sessions move once')
    }
    this.#options.onChange()
  }

  /**
   * The registry is new, or has lost the key. One that is known is written again, so that sessions
   * stay. A new one counts at once, for the registry may refuse writes. A registry that `isNew` has
   * no sessions to lose.
   */
  #miss(isNew = false): void {
    if (!this.#options.isUsed) {
      return
    }
    const isKnown = this.#value !== undefined
    if (isNew && !isKnown) {
      this.#options.log.info('a key of sessions is made')
    } else {
      this.#options.log.warn(
        isKnown
          ? 'the registry has no key of sessions: the known one is written again'
          : 'the registry has no key of sessions: one is made, and older sessions move once',
      )
    }
    this.#refused = undefined
    this.#isMissing = true
    this.#set(this.#value ?? newKey())
    this.#loop.bell.ring()
  }

  async #round({ bell }: Loop): Promise<void> {
    if (!this.#isMissing || this.#value === undefined) {
      await bell.wait(ROUND_MS)
      return
    }
    const value = JSON.stringify({ key: this.#value })
    try {
      await this.#options.registry.commit([{ type: 'put', key: KEY, value, ifRevision: 0 }])
    } catch (error) {
      // Another controller was first: the watch brings what it wrote.
      if (!(error instanceof SluiceError && error.code === 'changed')) {
        throw error
      }
    }
    this.#isMissing = false
  }
}

function newKey(): string {
  return randomBytes(32).toString('hex')
}
