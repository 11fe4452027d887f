/** What the agent asks of a container engine, Docker or another one with its API. */
import type { Container } from './container.js'
import type { EngineEvent } from './events.js'

export interface EngineEvents {
  /** Resolves with the reason once no more events come. Never rejects. */
  readonly closed: Promise<string>
  close(): void
}

export interface EventHandlers {
  onEvent(event: EngineEvent): void
  /** Something came that could not be read: only a listing shows what happened. */
  onLost(): void
}

export interface ListedContainer {
  id: string
  hasProcess: boolean
}

/** Every call rejects when the engine does not answer in time. */
export interface ContainerEngine {
  readonly address: string
  openEvents(handlers: EventHandlers): Promise<EngineEvents>
  /** All containers, those without a process too. */
  list(): Promise<ListedContainer[]>
  /** Undefined: there is no such container. */
  inspect(id: string): Promise<Container | undefined>
  ping(): Promise<void>
}
