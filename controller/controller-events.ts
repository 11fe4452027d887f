/** The events of a controller: what is emitted, and those who follow them. */
import { messageOf } from '../runtime/errors.js'
import type { Logger } from '../runtime/logger.js'
import type { ConditionChange } from './health/condition-change.js'
import { conditionNews } from './health/condition-news.js'
import type { Desired } from './state/desired.js'
import type { ControllerEvent, Finding, GatewayView } from './views.js'

export class ControllerEvents {
  readonly #log: Logger
  readonly #listeners = new Set<(event: ControllerEvent) => void>()

  constructor(log: Logger) {
    this.#log = log
  }

  /** Events from now on, in order. Returns the way to stop. */
  subscribe(listener: (event: ControllerEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  emit(event: ControllerEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (error) {
        // One listener's fault is not the others'.
        this.#log.error({ error: messageOf(error) }, 'event listener failed')
      }
    }
  }

  emitFinding(
    { code, subject, message }: Finding,
    state: 'begun' | 'ended',
    revision: number,
  ): void {
    const about = { code, ...(subject !== undefined && { subject }) }
    this.emit({ type: 'finding', revision, ...about, state, message })
  }

  /** What the own gateway found out about instances by itself; it is logged, too. */
  emitConditions(changes: ConditionChange[], desired: Desired): void {
    for (const { upstream, id, now } of conditionNews(changes, desired)) {
      const level = now.state === 'up' ? 'info' : 'warn'
      this.#log[level]({ upstream, id, ...now }, 'this gateway found out about an instance')
      this.emit({ type: 'health', revision: desired.revision, upstream, id, ...now })
    }
  }

  /** What gateways of these ids have now; one without a view is forgotten. */
  emitGateways(ids: string[], gateways: GatewayView[], revision: number): void {
    const views = new Map(gateways.map((view) => [view.id, view]))
    for (const id of ids) {
      const { applied, connected } = views.get(id) ?? { applied: 0, connected: false }
      this.emit({ type: 'gateway', revision, id, applied, connected })
    }
  }

  emitRegistry(connected: boolean, reason: string | undefined, revision: number): void {
    this.emit({ type: 'registry', revision, connected, ...(reason !== undefined && { reason }) })
  }
}
