/**
 * Peers → the lists that an upstream's rules choose from (contract/table/rules.ts). Pure; the
 * input's order never matters.
 */
import { MOST_POSITIONS, RING_POSITIONS } from '../../contract/table/rules.js'
import { apportion, heaviest } from './slots.js'
import type { Weighted } from './slots.js'

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b)
}

function reduced(weights: number[]): number[] {
  const common = weights.reduce(divisor, 0)
  return weights.map((weight) => weight / common)
}

/**
 * In lowest terms, with a sum of at most MOST_POSITIONS. Where the sum would be larger, they are
 * the nearest whole numbers, from 1.
 */
function turnsOf(weights: number[]): number[] {
  const least = reduced(weights)
  const sum = least.reduce((all, weight) => all + weight, 0)
  return sum <= MOST_POSITIONS ? least : reduced(apportion(least, MOST_POSITIONS))
}

interface Group {
  weight: number
  /** Indexes of the peers with this weight, in order. */
  members: number[]
  next: number
  /** How often all of them were served. */
  rounds: number
}

function groupsOf(weights: number[]): Group[] {
  const groups = new Map<number, Group>()
  weights.forEach((weight, i) => {
    const group = groups.get(weight) ?? { weight, members: [], next: 0, rounds: 0 }
    group.members.push(i)
    groups.set(weight, group)
  })
  return [...groups.values()]
}

/**
 * One whole cycle of nginx's smooth weighted round robin, as indexes. In each step everybody's
 * current value grows by its weight; the largest (of equals the first) serves, and loses the sum.
 * 5:1:1 is 0 0 1 0 2 0 0.
 *
 * Peers of equal weight have equal values, but for who of them has served in this round already.
 * They are served in turn, so only groups have to be compared.
 */
function smooth(weights: number[]): number[] {
  const groups = groupsOf(weights)
  const sum = weights.reduce((all, weight) => all + weight, 0)
  const order: number[] = []
  for (let step = 1; step <= sum; step++) {
    let best: Group | undefined
    let most = -Infinity
    let first = -1
    for (const group of groups) {
      const current = step * group.weight - group.rounds * sum
      const index = group.members[group.next] as number
      if (current > most || (current === most && index < first)) {
        best = group
        most = current
        first = index
      }
    }
    order.push(first)
    serve(best as Group)
  }
  return order
}

function serve(group: Group): void {
  group.next += 1
  if (group.next === group.members.length) {
    group.next = 0
    group.rounds += 1
  }
}

/**
 * Each peer as often as its weight says, smoothly mixed. Above MOST_POSITIONS turns (weights in
 * lowest terms, added up) the shares are the nearest that so many turns can have, and further peers
 * than that have none.
 */
export function cycleOf<T extends Weighted>(peers: T[]): T[] {
  const all = heaviest(peers, MOST_POSITIONS)
  return smooth(turnsOf(all.map(({ weight }) => weight))).map((i) => all[i] as T)
}

interface Turn<T> {
  peer: T
  /** Where it looks next, and how far on after that. */
  at: number
  skip: number
  /** It may take a position when `round * weight` has come to this. */
  target: number
}

function turnOf<T extends Weighted>(peer: T, size: number): Turn<T> {
  return {
    peer,
    at: parseInt(peer.sid.slice(0, 8), 16) % size,
    skip: (parseInt(peer.sid.slice(8, 16), 16) % (size - 1)) + 1,
    target: 0,
  }
}

/**
 * A Maglev ring (Eisenbud et al., 2016) of RING_POSITIONS. The peers take turns; each takes the
 * next free position in an order of its own. So one peer more or less moves about its own part of
 * the positions. A light peer takes part in fewer rounds, but always in the first.
 */
export function ringOf<T extends Weighted>(peers: T[]): T[] {
  const size = RING_POSITIONS
  const turns = heaviest(peers, MOST_POSITIONS).map((peer) => turnOf(peer, size))
  const mostWeight = turns.reduce((most, { peer }) => Math.max(most, peer.weight), 0)
  const ring = new Array<T | undefined>(size).fill(undefined)
  let left = turns.length === 0 ? 0 : size
  for (let round = 1; left > 0; round++) {
    for (const turn of turns) {
      if (left > 0 && round * turn.peer.weight >= turn.target) {
        turn.target += mostWeight
        while (ring[turn.at] !== undefined) {
          turn.at = (turn.at + turn.skip) % size
        }
        ring[turn.at] = turn.peer
        left--
      }
    }
  }
  return turns.length === 0 ? [] : (ring as T[])
}
