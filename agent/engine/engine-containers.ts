/**
 * The containers of one engine, level-triggered: an event only says which one to look at again.
 * Where the engine may be wrong, what it says is doubted.
 */
import type { Logger } from '../../runtime/logger.js'
import { isStopSignal, shortId } from './container.js'
import type { Container } from './container.js'
import type { ContainerEngine } from './engine.js'
import { Doubt, shownNames } from './doubt.js'
import type { EngineEvent } from './events.js'
import { ContainerProcesses } from './processes.js'

export interface EngineContainersOptions {
  log: Logger
  /** All containers, whenever something about them may have changed. */
  onContainers(containers: ReadonlyMap<string, Container>): void
  /** A container was sent its stop signal. Comes before the `onContainers` that shows it. */
  onStopSignal(container: Container): void
  /** Why the engine is not believed; undefined: it is again. */
  onDoubt(reason: string | undefined): void
}

const INSPECTIONS_AT_ONCE = 4

/** What goes on inside a container all day long, as healthchecks do, changes nothing about it. */
const IGNORED = /^(exec_|top|attach|resize|archive|extract|export|commit|copy|prune)/

export class EngineContainers {
  readonly #options: EngineContainersOptions
  readonly #containers = new Map<string, Container>()
  /** Containers to be inspected; the number shows whether one came in again meanwhile. */
  readonly #due = new Map<string, number>()
  /** Signals sent to containers that were not inspected yet. */
  readonly #kills = new Map<string, number>()
  readonly #processes = new ContainerProcesses()
  readonly #doubt = new Doubt<Container>({
    lives: (container) => this.#processes.lives(container),
  })
  /** Containers that the engine lists, and says not to know when they are inspected. */
  readonly #unknown = new Set<string>()
  #doubtful: string | undefined
  /** Containers that the engine does not list, and that stay. */
  #held = new Set<string>()
  /** What the engine listed last, without what it said was destroyed since. */
  #listedIds = new Set<string>()
  #counter = 0
  #listed = false
  #isFollowing = false
  #refreshing: Promise<void> | undefined

  constructor(options: EngineContainersOptions) {
    this.#options = options
  }

  /** Whether the engine has listed them once. */
  get hasListed(): boolean {
    return this.#listed
  }

  /** Why the engine is not believed, while it is not. */
  get doubt(): string | undefined {
    return this.#doubtful
  }

  /** Whether the engine reports what happens, and all before that is known. */
  set isFollowing(isFollowing: boolean) {
    this.#isFollowing = isFollowing
    if (isFollowing) {
      // What the listing brought was emitted before it was known that nothing is missed.
      this.#processes.learn(this.#containers.values())
    }
  }

  /** Of these (ids of 12 digits) an operator knows that they are gone, whatever the engine says. */
  forget(ids: ReadonlySet<string>): void {
    for (const id of this.#held) {
      if (ids.has(shortId(id))) {
        this.#held.delete(id)
        this.#containers.delete(id)
      }
    }
  }

  /** Whether a container is to be looked at again: an event says no more than that. */
  hear(event: EngineEvent): boolean {
    if (IGNORED.test(event.action)) {
      return false
    }
    const known = this.#containers.get(event.container)
    if (event.action === 'kill' && event.signal !== undefined) {
      this.#kills.set(event.container, event.signal)
      if (known !== undefined && this.#applyKill(known)) {
        this.#emit()
      }
    } else if (event.action === 'destroy') {
      this.#listedIds.delete(event.container)
    } else if (event.action === 'die') {
      this.#kills.delete(event.container)
      if (known !== undefined) {
        // Its address may be another container's in a moment, so nobody waits for an inspection.
        this.#containers.set(event.container, { ...known, status: 'stopped' })
        this.#emit()
      }
    }
    this.#mark(event.container)
    return true
  }

  /** Whether the signal that the container was sent last means that it is being stopped. */
  #applyKill(container: Container): boolean {
    const signal = this.#kills.get(container.id)
    this.#kills.delete(container.id)
    if (signal === undefined || !isStopSignal(container, signal)) {
      return false
    }
    this.#options.onStopSignal(container)
    return true
  }

  #mark(id: string): void {
    this.#counter += 1
    this.#due.set(id, this.#counter)
  }

  /** Looks at all that the engine lists, and at what it lists no more. Rejects without answers. */
  async list(engine: ContainerEngine): Promise<void> {
    const listed = await engine.list()
    this.#listedIds = new Set(listed.map(({ id }) => id))
    for (const { id, hasProcess } of listed) {
      // One without a process changes by its start alone.
      if (hasProcess || this.#containers.get(id)?.status !== 'stopped') {
        this.#mark(id)
      }
    }
    const isListed = (id: string) => this.#listedIds.has(id)
    const held = this.#doubt.held(this.#containers.values(), isListed)
    this.#held = new Set(held.map(({ id }) => id))
    const known = [...this.#containers.keys()]
    known.filter((id) => !isListed(id) && !this.#held.has(id)).forEach((id) => this.#mark(id))
    await this.inspectDue(engine)
    this.#noteDoubt(held)
    this.#listed = true
    this.#emit()
  }

  /** Says once, and when it is over, that the engine is not believed, and why. */
  #noteDoubt(held: Container[]): void {
    const unknown = [...this.#unknown].filter((id) => this.#containers.has(id))
    const doubted = [...held, ...unknown.flatMap((id) => this.#containers.get(id) ?? [])]
    const which = shownNames(doubted.map(({ name }) => name))
    const what =
      held.length > 0 ? 'lists none of the containers that run' : 'does not know what it lists'
    const reason = doubted.length === 0 ? undefined : `it answers, and ${what} (${which})`
    if (reason === this.#doubtful) {
      return
    }
    this.#doubtful = reason
    if (reason !== undefined) {
      this.#options.log.error({ reason }, 'the container engine is not believed')
    }
    this.#options.onDoubt(reason)
  }

  /** One at a time; a second caller waits for the first and then goes on with what is still due. */
  async inspectDue(engine: ContainerEngine): Promise<void> {
    while (this.#refreshing !== undefined) {
      // Its failure is its caller's to deal with; what it left undone is still due.
      await this.#refreshing.catch(() => undefined)
    }
    if (this.#due.size === 0) {
      return
    }
    this.#refreshing = this.#inspectAll(engine)
    try {
      await this.#refreshing
    } finally {
      this.#refreshing = undefined
    }
  }

  async #inspectAll(engine: ContainerEngine): Promise<void> {
    while (this.#due.size > 0) {
      const batch = [...this.#due].slice(0, INSPECTIONS_AT_ONCE)
      const changed = await Promise.all(batch.map(([id, mark]) => this.#inspect(engine, id, mark)))
      if (changed.includes(true)) {
        this.#emit()
      }
    }
  }

  async #inspect(engine: ContainerEngine, id: string, mark: number): Promise<boolean> {
    const container = await engine.inspect(id)
    // An event that came while the engine answered may have made the answer old: it is due again.
    if (this.#due.get(id) !== mark) {
      return false
    }
    this.#due.delete(id)
    if (container === undefined) {
      return this.#remove(id)
    }
    this.#unknown.delete(id)
    this.#containers.set(id, container)
    if (container.status === 'stopped') {
      this.#kills.delete(id)
    } else {
      this.#applyKill(container)
    }
    return true
  }

  /** An engine that lists a container and does not know it is wrong in one of the two. */
  #remove(id: string): boolean {
    this.#kills.delete(id)
    if (this.#listedIds.has(id) && this.#containers.has(id)) {
      this.#unknown.add(id)
      const fields = { container: this.#containers.get(id)?.name }
      this.#options.log.warn(fields, 'the engine lists a container and does not know it; it stays')
      return false
    }
    this.#unknown.delete(id)
    return this.#containers.delete(id)
  }

  /** Another container may have the address of one that has ended before the engine is back. */
  withdrawEnded(): void {
    const ended = [...this.#containers.values()].filter(
      (container) =>
        (!this.#isFollowing || this.#held.has(container.id)) &&
        container.status !== 'stopped' &&
        this.#processes.hasEnded(container),
    )
    for (const container of ended) {
      this.#containers.set(container.id, { ...container, status: 'stopped' })
      const fields = { container: container.name }
      this.#options.log.warn(
        fields,
        'its process is gone, and the engine does not say so; taken out',
      )
    }
    if (ended.length > 0) {
      this.#emit()
    }
  }

  #emit(): void {
    if (this.#listed) {
      if (this.#isFollowing) {
        this.#processes.learn(this.#containers.values())
      }
      this.#options.onContainers(this.#containers)
    }
  }
}
