/** Upstreams, or parts of them, as compiled last; what did not change is not compiled again. */
import { compileUpstream } from './compiled-upstream.js'
import { unitOfUpstream } from './upstream-unit.js'
import type { CompiledUpstream, GatewayTraits } from './compiled-upstream.js'
import type { Unit } from './unit.js'
import type { InstanceConditions } from '../state/conditions.js'
import type { Desired, DesiredUpstream } from '../state/desired.js'
import type { UpstreamSubset } from './subset.js'

/**
 * What a gateway knows of an upstream's instances; the same object until something in it changes.
 */
export type ConditionsOf = (upstream: string) => InstanceConditions | undefined

interface Cached {
  upstream: DesiredUpstream
  conditions: InstanceConditions | undefined
  /** Undefined where no cookie names its instances. */
  sessionKey: string | undefined
  compiled: CompiledUpstream
  sids: Set<string>
}

/** Names of units. */
export interface Changes {
  stale: string[]
  gone: string[]
  /** Whether others are there now. */
  isNewSet: boolean
}

export class UpstreamCache {
  readonly #traits: GatewayTraits
  readonly #cached = new Map<string, Cached>()

  constructor(traits: GatewayTraits) {
    this.#traits = traits
  }

  /**
   * Compiles again what changed in `wanted`, by unit name. A subset of an upstream that is not
   * there is left out.
   */
  update(
    desired: Desired,
    wanted: ReadonlyMap<string, UpstreamSubset>,
    conditionsOf: ConditionsOf,
  ): Changes {
    const stale: string[] = []
    let isNewSet = false
    for (const [unit, part] of wanted) {
      const cached = this.#cached.get(unit)
      const upstream = desired.upstreams.get(part.upstream)
      const conditions = conditionsOf(part.upstream)
      const sessionKey = this.#keyFor(upstream)
      const isSame =
        cached?.upstream === upstream &&
        cached?.conditions === conditions &&
        cached?.sessionKey === sessionKey
      if (upstream !== undefined && !isSame) {
        isNewSet ||= cached === undefined
        const compiled = compileUpstream(upstream, this.#traits, conditions, part.where)
        const sids = new Set(compiled.peers.map((peer) => peer.sid))
        this.#cached.set(unit, { upstream, conditions, sessionKey, compiled, sids })
        stale.push(unit)
      }
    }
    const gone = [...this.#cached].flatMap(([unit, { upstream }]) => {
      return wanted.has(unit) && desired.upstreams.has(upstream.name) ? [] : [unit]
    })
    gone.forEach((unit) => this.#cached.delete(unit))
    return { stale, gone, isNewSet: isNewSet || gone.length > 0 }
  }

  /** Another key concerns those upstreams alone whose policy gives cookies. */
  #keyFor(upstream: DesiredUpstream | undefined): string | undefined {
    return upstream?.policy.sticky?.by === 'cookie' ? this.#traits.sessionKey() : undefined
  }

  /** Units that have one of these SIDs. */
  having(sids: string[]): string[] {
    const found = sids.length > 0 ? [...this.#cached] : []
    return found.flatMap(([unit, cached]) => (sids.some((sid) => cached.sids.has(sid)) ? unit : []))
  }

  /** Units whose peers are shown a certificate. */
  showing(): string[] {
    const isShown = ({ upstream }: Cached) => upstream.tls?.certificate !== undefined
    return [...this.#cached].flatMap(([unit, cached]) => (isShown(cached) ? unit : []))
  }

  compiled(unit: string): CompiledUpstream | undefined {
    return this.#cached.get(unit)?.compiled
  }

  /** `pooledOf` says which of an upstream's SIDs nginx has in the pool that serves it. */
  unit(
    name: string,
    pooledOf: (upstream: DesiredUpstream) => ReadonlySet<string>,
  ): Unit | undefined {
    const cached = this.#cached.get(name)
    return cached && unitOfUpstream(cached.compiled, pooledOf(cached.upstream))
  }

  all(): Iterable<{ upstream: DesiredUpstream; compiled: CompiledUpstream }> {
    return this.#cached.values()
  }
}
