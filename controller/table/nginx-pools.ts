/** Which of an upstream's peers nginx has in the pool that serves it, and who may come there. */
import type { KeptMember } from '../pool/kept-ways.js'
import type { Desired, DesiredUpstream } from '../state/desired.js'
import type { CompiledUpstream } from './compiled-upstream.js'
import { wayOf } from './kept-slots.js'
import type { Peer } from './peers.js'

/** What nginx's further pools surely have: SIDs, and of the kept pool in which way. */
export interface OtherPools {
  kept: ReadonlyMap<string, string>
  grpc: ReadonlySet<string>
}

interface Cached {
  upstream: DesiredUpstream
  compiled: CompiledUpstream
}

/**
 * Peers that may be in nginx's pools: those that serve, and those that finish what they have. The
 * plain pool speaks neither TLS nor HTTP/2.
 */
export interface PoolMembers {
  plain: Peer[]
  grpc: Peer[]
  kept: KeptMember[]
}

const NOBODY: ReadonlySet<string> = new Set()
export const NO_OTHERS: OtherPools = { kept: new Map(), grpc: NOBODY }

function isPlain({ tls, protocol }: DesiredUpstream): boolean {
  return tls === undefined && protocol === undefined
}

function isPlainGrpc({ tls, protocol }: DesiredUpstream): boolean {
  return tls === undefined && protocol === 'grpc'
}

export function poolMembers(
  cached: Iterable<Cached>,
  certificates: Desired['certificates'],
): PoolMembers {
  const members: PoolMembers = { plain: [], grpc: [], kept: [] }
  for (const { upstream, compiled } of cached) {
    const serving = compiled.peers.filter(({ down }) => !down)
    const way = wayOf(upstream, certificates)
    if (isPlain(upstream)) {
      members.plain.push(...serving)
    } else if (isPlainGrpc(upstream)) {
      members.grpc.push(...serving)
    } else if (way !== undefined) {
      members.kept.push(...serving.map(({ sid, host, port }) => ({ sid, host, port, way })))
    }
  }
  return members
}

export class NginxPools {
  #plain = NOBODY
  #others = NO_OTHERS
  #keptBy: ReadonlyMap<string, ReadonlySet<string>> = new Map()

  /** Returns the SIDs that came to a pool or left it. */
  take(plain: ReadonlySet<string>, others: OtherPools): string[] {
    const { kept, grpc } = this.#others
    const flipped = [
      ...symmetricDifference(this.#plain, plain),
      ...symmetricDifference(grpc, others.grpc),
      ...(kept === others.kept ? [] : [...kept.keys(), ...others.kept.keys()]),
    ]
    if (kept !== others.kept) {
      this.#keptBy = sidsByWay(others.kept)
    }
    this.#plain = plain
    this.#others = { kept: others.kept, grpc: others.grpc }
    return flipped
  }

  /** The SIDs of the pool that serves this upstream. */
  of(upstream: DesiredUpstream, certificates: Desired['certificates']): ReadonlySet<string> {
    if (isPlain(upstream)) {
      return this.#plain
    }
    if (isPlainGrpc(upstream)) {
      return this.#others.grpc
    }
    const way = wayOf(upstream, certificates)
    return way === undefined ? NOBODY : (this.#keptBy.get(way) ?? NOBODY)
  }
}

function sidsByWay(kept: OtherPools['kept']): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const [sid, way] of kept) {
    found.set(way, (found.get(way) ?? new Set()).add(sid))
  }
  return found
}

function symmetricDifference(a: ReadonlySet<string>, b: ReadonlySet<string>): string[] {
  return a === b
    ? []
    : [...[...a].filter((item) => !b.has(item)), ...[...b].filter((item) => !a.has(item))]
}
