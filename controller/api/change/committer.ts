/**
 * Brings planned calls into the registry. A plan is written under the condition that nothing it
 * read has changed; when that fails it is planned anew from what is there now, so that no change of
 * anybody else's is ever overwritten unseen.
 */
import { SluiceError } from '../../../runtime/errors.js'
import { pause } from '../../../runtime/retry.js'
import type { ControllerForApi } from '../../controller-for-api.js'
import type { Caller } from '../http/auth.js'
import { planCall, revisionOf } from './plan-call.js'
import type { ChangeCall, Outcome, World } from './change-call.js'
import { Draft } from './draft.js'
import type { Difference } from './draft.js'
import { keysOf } from './targets.js'
import { findContradiction } from './routes.js'
import { findUnmatched } from './certificate-references.js'
import type { Touched } from './last-touched.js'
import { Turns } from './turns.js'
import { findWarnings } from './warnings.js'
import type { LocatedWarning } from './warnings.js'
import { Writer } from './writer.js'

export interface Committed {
  /** Revision at which the calls are in effect. */
  revision: number
  outcomes: Outcome[]
  differences: Difference[]
  warnings: LocatedWarning[]
}

interface Planned {
  draft: Draft
  outcomes: Outcome[]
  warnings: LocatedWarning[]
}

/** For the audit log. */
export interface Who {
  caller: Caller
  requestId: string
}

/** How an error of one call becomes one of the whole; a batch adds which call it was. */
export type Locate = (error: SluiceError, call: number) => SluiceError

/**
 * How often a commit is planned, the first time included. Commits of one process wait for each
 * other, so only other controllers can win a race.
 */
const MOST_PLANS = 8
const RACE_PAUSE_MS = 25
/** How long this controller may take to hear of what it wrote itself. */
export const KNOWN_LIMIT_MS = 5_000

export class Committer {
  readonly #control: ControllerForApi
  readonly #world: World
  readonly #writer: Writer
  readonly #turns = new Turns()

  constructor(control: ControllerForApi, touched: Touched) {
    this.#control = control
    this.#world = {
      settings: control.settings,
      touched,
      desired: () => control.desired(),
      stream: () => control.stream(),
      suspects: () => control.suspects(),
      ownAddresses: () => control.ownAddresses(),
    }
    this.#writer = new Writer(control)
  }

  /** What the calls would do; nothing is written. */
  async rehearse(calls: ChangeCall[], locate: Locate): Promise<Committed> {
    const { draft, outcomes, warnings } = await this.#plan(calls, locate)
    const revision = Math.max(draft.revision, this.#control.desired().revision)
    return { revision, outcomes, differences: draft.differences(), warnings }
  }

  /** All of the calls or none, at one revision. */
  async commit(calls: ChangeCall[], who: Who, locate: Locate): Promise<Committed> {
    const about = new Set(calls.flatMap(({ target }) => keysOf(target)))
    return this.#turns.take(queueOf(calls), about, async () => {
      const committed = await this.#attempt(calls, locate)
      this.#audit(committed, who)
      if (committed.differences.some(({ kind }) => kind === 'route')) {
        // Contradictions are looked for in the desired state, so the next one must find these
        // routes there.
        await this.known(committed.revision)
      }
      return committed
    })
  }

  /** Waits until this controller has what was written; false when it took too long. */
  async known(revision: number, limitMs = KNOWN_LIMIT_MS): Promise<boolean> {
    try {
      await this.#control.whenKnown(revision, limitMs)
      return true
    } catch {
      // It is in the registry all the same. The caller hears that it is not applied yet.
      return false
    }
  }

  async #attempt(calls: ChangeCall[], locate: Locate): Promise<Committed> {
    for (let tries = 1; ; tries++) {
      const { draft, outcomes, warnings } = await this.#plan(calls, locate)
      const differences = draft.differences()
      try {
        const written = await this.#writer.write(draft.writes())
        const revision = written ?? (await this.#unchangedSince(draft, calls))
        return { revision, outcomes, differences, warnings }
      } catch (error) {
        if (!(error instanceof SluiceError) || error.code !== 'changed') {
          throw error
        }
        if (tries === MOST_PLANS) {
          const what = 'others keep changing the same; try again'
          throw new SluiceError('conflict', what, { retryable: true, cause: error })
        }
        await pause(Math.random() * RACE_PAUSE_MS * tries)
      }
    }
  }

  async #plan(calls: ChangeCall[], locate: Locate): Promise<Planned> {
    const draft = new Draft(this.#control.registry)
    await draft.prefetch(calls.flatMap(({ target }) => keysOf(target)))
    const outcomes: Outcome[] = []
    for (const [index, call] of calls.entries()) {
      draft.call = index
      try {
        outcomes.push(await planCall(draft, this.#world, call))
      } catch (error) {
        throw error instanceof SluiceError ? locate(error, index) : error
      }
    }
    const found = findContradiction(draft, this.#world) ?? (await findUnmatched(draft))
    if (found !== undefined) {
      throw locate(found.error, found.call)
    }
    return { draft, outcomes, warnings: findWarnings(draft, this.#world) }
  }

  /** When nothing had to be written: since when it stands as it does. */
  async #unchangedSince(draft: Draft, calls: ChangeCall[]): Promise<number> {
    const revisions = await Promise.all(
      calls.map(({ target }) => revisionOf(draft, this.#world, target)),
    )
    // What was never there has no such revision: a batch that made it and deleted it again.
    return Math.max(...revisions) || this.#world.desired().revision
  }

  #audit({ differences, revision }: Committed, { caller, requestId }: Who): void {
    for (const { op, kind, upstream, id, beforeRevision } of differences) {
      const what = {
        op,
        kind,
        ...(upstream !== undefined && { upstream }),
        ...(id !== undefined && { id }),
      }
      const when = { before: beforeRevision, after: revision }
      this.#control.log.info({ audit: true, who: caller, ...what, ...when, requestId }, 'change')
    }
  }
}

/** Calls that could meet take turns: those about one thing, those about routes, and batches. */
function queueOf(calls: ChangeCall[]): string {
  if (calls.some(({ target }) => target.kind === 'route')) {
    return 'routes'
  }
  const [only] = calls
  return calls.length === 1 && only !== undefined ? (keysOf(only.target)[0] as string) : 'batch'
}
