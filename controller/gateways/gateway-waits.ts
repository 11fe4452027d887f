/** Waiting for gateways: until they have applied a revision, or until one is forgotten. */
import { printKey } from '../../contract/keys.js'
import type { Registry } from '../../registry/registry.js'
import { SluiceError } from '../../runtime/errors.js'
import type { AppliedWait } from '../controller-for-api.js'
import type { GatewayView } from '../views.js'
import type { GatewaySet } from './gateway-set.js'
import { Waiters } from './waiters.js'

export interface GatewayWaitsOptions {
  registry: Registry
  gateways: GatewaySet
  /** The revision up to which the registry is known. */
  known: () => number
}

export class GatewayWaits {
  readonly #options: GatewayWaitsOptions
  readonly #waiters = new Waiters()

  constructor(options: GatewayWaitsOptions) {
    this.#options = options
  }

  /** Something changed: those that wait look again. */
  look(): void {
    this.#waiters.look()
  }

  /** Rejects with `registry_unavailable` when it takes longer than `timeoutMs`. */
  async whenKnown(revision: number, timeoutMs: number): Promise<void> {
    const isKnown = () => this.#options.known() >= revision
    if (!(await this.#waiters.until(isKnown, timeoutMs))) {
      const message = `the registry did not report revision ${revision} within ${timeoutMs} ms`
      throw new SluiceError('registry_unavailable', message, { retryable: true })
    }
  }

  /** As {@link AppliedWait} says; the gateways that have not applied `revision` when it is over. */
  async whenApplied(
    revision: number,
    timeoutMs: number,
    { waitsForAway = false, signal }: AppliedWait = {},
  ): Promise<GatewayView[]> {
    const { gateways, known } = this.#options
    const pending = () => gateways.pending(revision, known())
    const isOver = () =>
      waitsForAway ? pending().length === 0 : !gateways.isWorthWaiting(pending())
    await this.#waiters.until(isOver, timeoutMs, signal)
    return pending()
  }

  /** Rejects with `not_found`, or with `conflict` while its controller lives. */
  async forget(id: string): Promise<void> {
    const { registry, gateways } = this.#options
    const presence = gateways.presenceOf(id)
    if (presence === 'unknown') {
      throw new SluiceError('not_found', `there is no gateway ${id}`)
    }
    if (presence === 'present') {
      const message = `the controller of gateway ${id} is running; stop it first`
      throw new SluiceError('conflict', message)
    }
    await registry.commit([{ type: 'delete', key: printKey({ kind: 'gateways', id }) }])
  }
}
