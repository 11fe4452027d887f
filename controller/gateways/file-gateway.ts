/** The own gateway in file mode: nginx has one file, and is reloaded when it changes. */
import { Fallbacks } from '../fallback/fallbacks.js'
import { withConditions } from '../health/desired-with-conditions.js'
import { Health } from '../health/health.js'
import type { LinkView } from '../push/gateway-link.js'
import type { Desired } from '../state/desired.js'
import type { StreamView } from '../views.js'
import type { GatewayFigures, OwnGatewayOptions, OwnGateway } from './own-gateway.js'

const NO_FIGURES: GatewayFigures = {
  ...{ isConnected: false, isHung: false, isFull: false, workers: 0, freeBytes: undefined },
  ...{ compiled: 0, pushed: 0, overruled: 0, pooled: 0 },
}

export class FileGateway implements OwnGateway {
  readonly health: Health
  readonly fallback: Fallbacks
  readonly #options: OwnGatewayOptions

  constructor(options: OwnGatewayOptions) {
    this.#options = options
    const { settings, log, sources, makeChecks } = options
    this.health = new Health({
      ...{ log, feed: undefined, makeChecks },
      onChange: (changes) => {
        this.fallback.offer()
        options.onConditions(changes)
      },
    })
    this.fallback = new Fallbacks({
      ...{ settings, log, emptyHoldMs: options.emptyHoldMs },
      desired: () => this.#shown(),
      isTrusted: () => options.isTrusted(),
      awaitsCertificates: () => sources.awaitsCertificates,
      onError: (step) => options.onFallbackError(step),
      onWritten: () => {
        options.onServed()
        options.onGateway()
      },
    })
  }

  view(): LinkView {
    const reason = this.fallback.error ?? this.#reason()
    return { connected: true, workers: 0, nginx: '', njs: '', reason }
  }

  stream(): StreamView {
    return {
      ...{ ports: '', tuned: '', passthrough: false, connected: false },
      reason: 'file mode has no routes of connections',
    }
  }

  applied(): number {
    return this.fallback.revision
  }

  lagMs(): number {
    return 0
  }

  active(sids: string[]): Promise<undefined[]> {
    return Promise.resolve(sids.map(() => undefined))
  }

  figures(): GatewayFigures {
    return NO_FIGURES
  }

  counters(): Promise<Record<string, number>> {
    return Promise.resolve({})
  }

  lanes(): undefined {
    return undefined
  }

  start(): void {
    this.health.start()
  }

  changed(): void {
    const { sources } = this.#options
    if (sources.isListed) {
      this.health.follow(sources.state.desired())
    }
    this.#offer()
  }

  certificatesChanged(): void {
    this.#offer()
  }

  compare(): void {
    this.#offer()
  }

  /** There is no table that could have units of its own. The file may be written now. */
  drop(): void {
    this.fallback.offer()
  }

  async close(): Promise<void> {
    await Promise.all([this.fallback.close(), this.health.close()])
  }

  #offer(): void {
    if (this.#options.sources.isListed) {
      this.fallback.offer()
    }
  }

  /** What checks find down is down in the file: nginx hears of it in no other way. */
  #shown(): Desired {
    return withConditions(this.#options.sources.withoutFolder(), this.health.conditions())
  }

  #reason(): string {
    const unserved = this.#options.sources.desired().certificates.size
    const what = unserved === 0 ? '' : `; ${unserved} certificates are not served`
    return `file mode: nginx is reloaded${what}`
  }
}
