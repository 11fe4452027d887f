/** What nginx does for connections: a table and a link of its own, beside those for requests. */
import type { StreamView } from '../views.js'
import { GatewayLink } from './gateway-link.js'
import type { GatewayLinkOptions, LinkView } from './gateway-link.js'
import { StreamTable } from '../table/stream-table.js'
import type { StreamTableOptions } from '../table/stream-table.js'

export interface StreamLinkOptions
  extends
    StreamTableOptions,
    Pick<
      GatewayLinkOptions,
      | 'socketPath'
      | 'master'
      | 'onFailure'
      | 'onApplied'
      | 'onChange'
      | 'onStarted'
      | 'onUnknown'
      | 'onSeats'
    > {
  /** Whether nginx answers for requests. */
  isNginxThere(): boolean
}

const WITHOUT =
  'nginx has no stream{} of ours: it lacks the stream module with njs, or its configuration does not include stream.conf'

export class StreamLink {
  readonly link: GatewayLink
  readonly #table: StreamTable
  readonly #options: StreamLinkOptions

  constructor(options: StreamLinkOptions) {
    this.#options = options
    this.#table = new StreamTable(options)
    this.link = new GatewayLink({
      ...options,
      source: this.#table,
      // Most changes are of requests alone; a worker need not hear of each of them twice.
      isLazy: true,
    })
  }

  /**
   * Revision that connections are served by. Infinity where nginx has no stream{} of ours, and no
   * route asks for it.
   */
  applied(): number {
    return this.#isNeeded ? this.link.pusher.applied : Infinity
  }

  /** The view of the side for requests, with this side's fault where only this side has one. */
  join(requests: LinkView): LinkView {
    const { reason, code } = this.link.view()
    return requests.reason === undefined && this.#isNeeded && reason !== undefined
      ? { ...requests, reason: `connections: ${this.view().reason ?? reason}`, code }
      : requests
  }

  get #isNeeded(): boolean {
    return this.link.ports !== undefined || this.#options.desired().streamRoutes.size > 0
  }

  /** Connections and requests together by SID; undefined where one of them is not known. */
  async active(
    sids: string[],
    requests: Promise<Array<number | undefined>>,
  ): Promise<Array<number | undefined>> {
    if (this.link.ports === undefined) {
      return requests
    }
    const [known, connections] = await Promise.all([requests, this.link.active(sids)])
    return known.map((count, i) => {
      const more = connections[i]
      return count === undefined || more === undefined ? undefined : count + more
    })
  }

  view(): StreamView {
    const { connected, reason } = this.link.view()
    const isMissing = this.link.ports === undefined && this.#options.isNginxThere()
    const why = isMissing ? WITHOUT : reason
    const { ports = '', tuned = '', passthrough } = this.link
    return { ports, tuned, passthrough, connected, ...(why !== undefined && { reason: why }) }
  }

  async close(): Promise<void> {
    await this.link.close()
  }
}
