/** The own gateway with a table in nginx: changes are pushed, and files are kept for its loss. */
import { join } from 'node:path'
import type { GatewayState } from '../../contract/push.js'
import { canPool } from '../../contract/version.js'
import { Fallbacks } from '../fallback/fallbacks.js'
import { Health } from '../health/health.js'
import { closeAllGates } from '../lanes/gate-files.js'
import { LaneGateway } from '../lanes/lane-gateway.js'
import { SeatProver } from '../pool/seat-prover.js'
import { Seats } from '../pool/seats.js'
import { GatewayLink } from '../push/gateway-link.js'
import type { LinkView } from '../push/gateway-link.js'
import { StreamLink } from '../push/stream-link.js'
import { ANYWHERE } from '../table/compiled-upstream.js'
import { DesiredTable } from '../table/desired-table.js'
import type { LanesView, StreamView } from '../views.js'
import type { GatewayFigures, OwnGatewayOptions, OwnGateway } from './own-gateway.js'

export class TableGateway implements OwnGateway {
  readonly health: Health
  readonly fallback: Fallbacks
  readonly #options: OwnGatewayOptions
  readonly #table: DesiredTable
  readonly #link: GatewayLink
  /** The same for connections. */
  readonly #stream: StreamLink
  /** Undefined where nginx is left to choose nothing by itself. */
  readonly #compiled: LaneGateway | undefined
  readonly #seats = new Seats()
  readonly #prover: SeatProver

  constructor(options: OwnGatewayOptions) {
    this.#options = options
    this.#compiled = this.#makeLanes()
    this.#table = this.#makeTable()
    this.#link = this.#makeLink()
    this.#stream = this.#makeStream()
    this.#prover = new SeatProver({
      seats: this.#seats,
      socketPath: join(options.settings.home, 'hop/preflight.sock'),
      onProven: () => this.#stream.link.pusher.wake(),
    })
    this.health = this.#makeHealth()
    this.fallback = this.#makeFallback()
  }

  view(): LinkView {
    return this.#stream.join(this.#link.view())
  }

  stream(): StreamView {
    return this.#stream.view()
  }

  applied(): number {
    return Math.min(this.#link.pusher.applied, this.#stream.applied())
  }

  lagMs(): number {
    return this.#link.pusher.lagMs
  }

  active(sids: string[]): Promise<Array<number | undefined>> {
    return this.#stream.active(sids, this.#activeOfHttp(sids))
  }

  figures(): GatewayFigures {
    const { connected, workers, code } = this.#link.view()
    return {
      isConnected: connected,
      isHung: this.#link.isHung,
      isFull: code === 'table_full',
      workers,
      freeBytes: this.#link.freeBytes,
      compiled: this.#table.revision,
      pushed: this.#link.pusher.applied,
      overruled: this.#table.overruled,
      pooled: this.#table.pooled,
    }
  }

  counters(): Promise<Record<string, number>> {
    return this.#link.counters()
  }

  lanes(): LanesView | undefined {
    const { nginx } = this.#link.view()
    return nginx === '' || canPool(nginx) ? this.#compiled?.view() : undefined
  }

  start(): void {
    if (this.#compiled === undefined) {
      // nginx may still have them, of a time when they were on.
      closeAllGates(this.#options.settings.home)
    }
    this.#compiled?.lanes.start()
    this.#table.start()
    this.#links.forEach((link) => link.start())
    this.#prover.start()
    this.health.start()
  }

  changed(): void {
    const { sources } = this.#options
    if (sources.isListed) {
      this.health.follow(sources.state.desired())
    }
    this.#wake()
    this.#offer()
  }

  certificatesChanged(): void {
    this.#link.pusher.wake()
    this.#offer()
    if (this.#options.sources.folder?.isWhole === true) {
      this.#link.pusher.drop()
    }
  }

  compare(): void {
    this.#links.forEach(({ pusher }) => pusher.compare())
    this.#offer()
  }

  drop(names: string[]): void {
    this.#seats.trust(true)
    this.#links.forEach(({ pusher }) => pusher.drop(names))
    this.fallback.offer()
  }

  async close(): Promise<void> {
    const parts = [this.#prover, this.#link, this.#stream, this.fallback, this.health]
    await Promise.all(parts.map((part) => part.close()))
    await this.#compiled?.close()
    await this.#table.close()
  }

  /** What nginx itself chose for is counted apart. */
  async #activeOfHttp(sids: string[]): Promise<Array<number | undefined>> {
    const ofLanes = (await this.#compiled?.lanes.inFlightAt(sids)) ?? sids.map(() => 0)
    const counts = await this.#link.active(sids)
    return counts.map((count, i) => {
      const more = ofLanes[i]
      return count === undefined || more === undefined ? undefined : count + more
    })
  }

  get #links(): GatewayLink[] {
    return [this.#link, this.#stream.link]
  }

  #wake(): void {
    this.#links.forEach(({ pusher }) => pusher.wake())
  }

  #offer(): void {
    if (this.#options.sources.isListed) {
      this.fallback.offer()
    }
  }

  #makeLanes(): LaneGateway | undefined {
    const { settings, log } = this.#options
    if (settings.compiled === 'off' || settings.pool === 'off') {
      return undefined
    }
    return new LaneGateway({
      ...{ settings, log },
      isTrusted: () => this.#options.isTrusted(),
      isFenced: () => this.#link.pusher.isFenced,
      isLevel: () => this.#isLevel(),
      inFlight: (id) => this.#link.inFlightNamed(id),
      onChange: () => this.#options.onGateway(),
    })
  }

  #isLevel(): boolean {
    const { pusher } = this.#link
    const isOwn = pusher.ownEpoch !== undefined && pusher.fault === undefined
    return isOwn && this.#link.view().connected && pusher.applied === this.#table.revision
  }

  #makeTable(): DesiredTable {
    const { settings, log, sources } = this.#options
    const { domains, zone, pool, poolPort } = settings
    const sessionKey = () => this.#options.sessionKey()
    const compiled = this.#compiled
    return new DesiredTable({
      ...{ domains, log, traits: { zone, sessionKey }, wide: pool === 'wide' },
      seats: this.#seats,
      poolPort: pool === 'off' ? undefined : poolPort,
      desired: () => sources.withKnownUpstreams(),
      awaitsCertificates: () => sources.awaitsCertificates,
      conditionsOf: (upstream) => this.health.conditionsOf(upstream),
      ready: () => sources.isListed,
      isLevel: () => this.#link.view().connected && this.#link.pusher.lagMs === 0,
      onChange: () => this.#link.pusher.wake(),
      ...(compiled && { names: compiled.lanes.names, onCompiled: (view) => compiled.update(view) }),
    })
  }

  #makeLink(): GatewayLink {
    const options = this.#options
    const { settings, log } = options
    return new GatewayLink({
      socketPath: join(settings.home, 'run/admin.sock'),
      ...{ log, source: this.#table },
      onFailure: (reason) => options.onPushFailure(reason),
      onApplied: (_revision, lagMs) => {
        options.onServed()
        options.onApplied(lagMs)
      },
      onChange: () => options.onGateway(),
      onStarted: (state, isFirst) => this.#onNginx(state, isFirst),
      onUnknown: (names) => options.onUnknown(names),
    })
  }

  #makeStream(): StreamLink {
    const { settings, log, sources, ...options } = this.#options
    const { zone, home } = settings
    const isUsed = () => sources.state.desired().streamRoutes.size > 0
    return new StreamLink({
      socketPath: join(home, 'run/stream.sock'),
      // nginx ends no connection of stream{}: workers that finish would answer for ever.
      master: () => this.#link.master,
      // No connection brings a cookie.
      ...{ log, traits: { ...ANYWHERE, zone } },
      desired: () => sources.state.desired(),
      conditionsOf: (upstream) => this.health.conditionsOf(upstream),
      ready: () => sources.isListed,
      isNginxThere: () => this.#link.view().connected,
      // Where no route asks for it, nginx may well have no stream{}.
      onFailure: (reason) => isUsed() && options.onPushFailure(reason),
      onChange: () => options.onGateway(),
      seats: this.#seats,
      onStarted: (state, isFirst) => {
        sources.state.raise(state.revision)
        this.#seats.nginxStarted(isFirst && state.whole)
      },
      onSeats: (seats) => this.#seats.resize(seats),
      onApplied: () => this.#seats.level(),
      onUnknown: (names) => {
        this.#seats.trust(false)
        options.onUnknown(names)
      },
    })
  }

  #makeHealth(): Health {
    const { log, sources, makeChecks } = this.#options
    const isUsed = () => sources.state.desired().streamRoutes.size > 0
    return new Health({
      ...{ log, makeChecks, feed: this.#link.feed },
      streamFeed: { feed: this.#stream.link.feed, isUsed },
      isDoubtful: (sid) => this.#table.isDoubtful(sid),
      onChange: (changes) => {
        this.#wake()
        this.#options.onConditions(changes)
      },
    })
  }

  /** The files have no conditions: they are for times when nobody judges. */
  #makeFallback(): Fallbacks {
    const { settings, log, sources, emptyHoldMs } = this.#options
    return new Fallbacks({
      ...{ settings, log, emptyHoldMs },
      desired: () => sources.withKnownUpstreams(),
      isBusy: () => this.#link.view().connected && this.#link.pusher.lagMs > 0,
      isTrusted: () => this.#options.isTrusted(),
      awaitsCertificates: () => sources.awaitsCertificates,
      onError: (step) => this.#options.onFallbackError(step),
      onWritten: () => undefined,
    })
  }

  /** nginx was seen for the first time, or it was started anew. */
  #onNginx(state: GatewayState, isFirst: boolean): void {
    // A former controller may have pushed deletions, which a listing does not show.
    this.#options.sources.state.raise(state.revision)
    const isEmpty = !state.whole && state.revision === 0
    if (isFirst && state.whole && canPool(state.nginx)) {
      this.#table.assumePool()
    } else if (!isFirst || isEmpty) {
      this.#table.forgetPool()
      this.#compiled?.nginxStarted()
    }
  }
}
