/** What one lane is just now: who is in it, and whether nginx alone may serve it. Pure. */
import type { Desired, DesiredUpstream } from '../state/desired.js'
import type { CompiledUpstream } from '../table/compiled-upstream.js'
import { laneOf } from './lane.js'
import type { Lane } from './lane.js'
import { fitsDns } from './lane-names.js'
import type { LanePeer } from './lane-names.js'

export interface LaneState {
  readonly lane: Lane
  /** False: no gate leads there any more, and its last requests finish. */
  isPlanned: boolean
  /** What the rest was made from; the same object until it changes. Null: it is to be made anew. */
  compiled: CompiledUpstream | undefined | null
  /** Who is in it, and the text that this is compared by. */
  members: LanePeer[]
  key: string
  /** Why no gate may be open, whatever nginx has taken. */
  why: string | undefined
  /** SIDs that requests of the lane may have gone to since it was last seen without any. */
  holding: Set<string>
  /** Whether one of these drains. */
  leaving: boolean
  /** How often a gate to it was opened. */
  openings: number
}

export function newState(lane: Lane): LaneState {
  const none = { compiled: null, members: [], key: '', why: 'new', holding: new Set<string>() }
  return { lane, isPlanned: true, ...none, leaving: false, openings: 0 }
}

type Next = Pick<LaneState, 'compiled' | 'members' | 'key' | 'why' | 'holding' | 'leaving'>

/** What the state becomes when its upstream is compiled to this. */
export function nextOf(state: LaneState, compiled: CompiledUpstream | undefined): Next {
  const peers = compiled?.peers ?? []
  const there = new Set(peers.map(({ sid }) => sid))
  // What a controller before may have let through, nobody knows.
  const held = state.key === '' ? there : state.holding
  const holding = new Set([...held].filter((sid) => there.has(sid)))
  const why = state.isPlanned ? whyNotNow(compiled) : 'no gate leads there'
  // Of whom nginx cannot be answered, it keeps whom it has: no gate leads there.
  const main = why === undefined ? (compiled?.tiers.main ?? []) : state.members
  const members = main.map(({ sid, host, port, weight }) => ({ sid, host, port, weight }))
  const leaving = peers.some(({ sid, draining }) => draining && holding.has(sid))
  return { compiled, members, key: JSON.stringify(members), why, holding, leaving }
}

/** Why nginx alone cannot serve an upstream as it is just now. */
function whyNotNow(compiled: CompiledUpstream | undefined): string | undefined {
  const main = compiled?.tiers.main ?? []
  if (compiled === undefined || main.length === 0) {
    return 'nobody is up'
  }
  const { peers } = compiled
  if (peers.some(({ ejected, trial }) => ejected || trial > 0)) {
    return 'an instance is ejected'
  }
  if (peers.some(({ warming }) => warming)) {
    return 'an instance warms up'
  }
  if (main.some(({ maxConns }) => maxConns > 0)) {
    return 'maxConns'
  }
  if (main.some(({ host }) => host.includes(':'))) {
    return 'an instance has an IPv6 address'
  }
  return fitsDns(main) ? undefined : 'too many instances'
}

/** An upstream that did not change is the same object. */
const known = new WeakMap<DesiredUpstream, Lane | string>()

function knownLane(upstream: DesiredUpstream): Lane | string {
  const lane = known.get(upstream) ?? laneOf(upstream)
  known.set(upstream, lane)
  return lane
}

function isSameLane(a: Lane | string | undefined, b: Lane | string): boolean {
  return typeof a === 'object' && typeof b === 'object' ? a.id === b.id : a === b
}

/** The lanes of all upstreams, or why one has none, by name; the same object until one changes. */
export class FoundLanes {
  #upstreams: unknown
  #found: ReadonlyMap<string, Lane | string> = new Map()

  of({ upstreams }: Desired): ReadonlyMap<string, Lane | string> {
    if (upstreams !== this.#upstreams) {
      const before = this.#found
      const found = new Map([...upstreams].map(([name, each]) => [name, knownLane(each)]))
      const isSame =
        found.size === before.size &&
        [...found].every(([name, lane]) => isSameLane(before.get(name), lane))
      this.#found = isSame ? before : found
      this.#upstreams = upstreams
    }
    return this.#found
  }
}
