/**
 * Weights → slots. Traffic is 50 slots of 1000 shares, so one share is 1/50,000 of it. A peer gets
 * a whole number of shares, at least one. Where an upstream is laid out exactly, that is off its
 * due by less than one share. The layout is the first of these that is cheap enough:
 *
 * 1. in a row along the slots, exact: when no slot is shared by more than INLINE_PEERS (up to about
 *    750 equal peers);
 * 2. each peer in one slot, the slots evenly loaded, a cell for each peer: when nobody is off by
 *    more than {@link TOLERANCE};
 * 3. in a row, with as many cells as the tolerance asks for.
 *
 * Above 50,000 peers the lightest get nothing: there are no shares left for them.
 */
import { SlotMark } from '../../contract/table/mark.js'
import { shareCell } from '../../contract/table/table.js'
import { INLINE_PEERS, DRAWS, SHARES, SLOTS } from '../../contract/table/limits.js'

export interface Weighted {
  sid: string
  /** Above 0; only its ratio to the others counts. */
  weight: number
}

/** What one slot holds, in order of the drawn share. */
interface Piece {
  sid: string
  shares: number
}

/** `/7` → value, `/7/12` → value: the keys below a unit's name. */
export type Layout = ReadonlyMap<string, string>

/**
 * How far off its due a peer may be, of what is due, where exactness would cost a key for each
 * share.
 */
const TOLERANCE = 0.05

function bySid(a: Weighted, b: Weighted): number {
  return a.sid < b.sid ? -1 : 1
}

function byWeight(a: Weighted, b: Weighted): number {
  return b.weight - a.weight || bySid(a, b)
}

/**
 * Sorted by SID; the order of the input never matters. Where there are more than `places`, the
 * lightest are left out.
 */
export function heaviest<T extends Weighted>(peers: T[], places: number): T[] {
  const served = peers.length > places ? [...peers].sort(byWeight).slice(0, places) : [...peers]
  return served.sort(bySid)
}

/** Takes `over` from the largest, a round at a time, and leaves everybody at least one. */
function takeBack(counts: number[], over: number): void {
  const order = counts.map((_, i) => i).sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0) || a - b)
  let left = over
  while (left > 0) {
    for (const i of order) {
      const count = counts[i] ?? 0
      if (left > 0 && count > 1) {
        counts[i] = count - 1
        left--
      }
    }
  }
}

/**
 * Whole numbers from 1 that add up to `total` and are as `weights` are (largest remainder). `total`
 * is at least their number.
 */
export function apportion(weights: number[], total: number): number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0)
  const due = weights.map((weight) => (weight * total) / sum)
  const counts = due.map((shares) => Math.max(1, Math.floor(shares)))
  let left = total - counts.reduce((all, count) => all + count, 0)
  if (left < 0) {
    takeBack(counts, -left)
    return counts
  }
  const rest = (i: number) => (due[i] ?? 0) - (counts[i] ?? 0)
  const order = counts.map((_, i) => i).sort((a, b) => rest(b) - rest(a) || a - b)
  for (const i of order) {
    if (left-- > 0) {
      counts[i] = (counts[i] ?? 0) + 1
    }
  }
  return counts
}

/**
 * Lays peers along the slots one after the other; at most two slots of a peer are shared with
 * others.
 */
function inARow(peers: Weighted[], shares: number[]): Piece[][] {
  const slots: Piece[][] = [[]]
  let room = SHARES
  peers.forEach((peer, i) => {
    let left = shares[i] ?? 0
    while (left > 0) {
      if (room === 0) {
        slots.push([])
        room = SHARES
      }
      const here = Math.min(left, room)
      slots.at(-1)?.push({ sid: peer.sid, shares: here })
      left -= here
      room -= here
    }
  })
  return slots
}

/**
 * Each peer in one slot (a heavy one also fills whole slots before), heaviest first into the least
 * loaded.
 */
function spread(peers: Weighted[], shares: number[]): Piece[][] {
  const items = peers.map((peer, i) => ({ sid: peer.sid, shares: shares[i] ?? 0 }))
  const slots: Piece[][] = []
  for (const item of items) {
    for (; item.shares >= SHARES; item.shares -= SHARES) {
      slots.push([{ sid: item.sid, shares: SHARES }])
    }
  }
  const open = Array.from({ length: SLOTS - slots.length }, () => ({
    load: 0,
    pieces: [] as Piece[],
  }))
  const rest = items.filter((item) => item.shares > 0)
  rest.sort((a, b) => b.shares - a.shares || (a.sid < b.sid ? -1 : 1))
  for (const item of rest) {
    const least = open.reduce((best, slot) => (slot.load < best.load ? slot : best))
    least.pieces.push(item)
    least.load += item.shares
  }
  return [...slots, ...open.map((slot) => slot.pieces)]
}

interface Cells {
  /** SID of each cell. */
  sids: string[]
  /** Shares that each piece really gets, in the order of the pieces. */
  shares: number[]
}

function makeCells(pieces: Piece[], cells: number): Cells {
  const counts = apportion(
    pieces.map((piece) => piece.shares),
    cells,
  )
  const sids: string[] = []
  const owner: number[] = []
  counts.forEach((count, i) => {
    for (let n = 0; n < count; n++) {
      sids.push(pieces[i]?.sid ?? '')
      owner.push(i)
    }
  })
  const shares = pieces.map(() => 0)
  for (let share = 0; share < SHARES; share++) {
    const i = owner[shareCell(share, cells)] ?? 0
    shares[i] = (shares[i] ?? 0) + 1
  }
  return { sids, shares }
}

/** Less than one share off is always close enough. */
function isClose(got: number, due: number, tolerance: number): boolean {
  return Math.abs(got - due) <= Math.max(1, due * tolerance)
}

/** The fewest cells that bring every piece near enough to what is due to it. */
function fewestCells(pieces: Piece[], tolerance: number): Cells {
  const load = pieces.reduce((sum, piece) => sum + piece.shares, 0)
  const due = pieces.map((piece) => (piece.shares * SHARES) / load)
  const n = pieces.length
  const tries = [n, 2 * n, 3 * n, 4 * n, 20, 25, 40, 50, 100, 125, 200, 250, 500]
  const counts = [...new Set(tries)].filter((count) => count >= n && count < SHARES)
  for (const count of counts.sort((a, b) => a - b)) {
    const cells = makeCells(pieces, count)
    if (cells.shares.every((got, i) => isClose(got, due[i] ?? 0, tolerance))) {
      return cells
    }
  }
  return makeCells(pieces, SHARES)
}

/** One slot as it is written. */
interface Slot {
  value: string
  /** SIDs of its cells; empty unless it has some. */
  cells: string[]
  /** What each of `pieces` really gets, in shares. */
  shares: number[]
  pieces: Piece[]
}

/** The largest piece comes last, so that no threshold but the last is ever 999. */
function printInline(pieces: Piece[], shares: number[]): string {
  const sorted = pieces
    .map((piece, i) => ({ sid: piece.sid, shares: shares[i] ?? 0 }))
    .sort((a, b) => a.shares - b.shares || (a.sid < b.sid ? -1 : 1))
  let threshold = 0
  const parts = sorted.map((piece, i) => {
    threshold = i === sorted.length - 1 ? SHARES - 1 : threshold + piece.shares
    return String(threshold).padStart(3, '0') + piece.sid
  })
  return SlotMark.Shared + parts.join('')
}

function write(all: Piece[]): Slot {
  // More than a slot has shares: the heaviest, which come first.
  const pieces = all.slice(0, SHARES)
  if (pieces.length > INLINE_PEERS) {
    const cells = fewestCells(pieces, TOLERANCE / 2)
    return {
      value: `${SlotMark.Cells}${cells.sids.length}`,
      cells: cells.sids,
      shares: cells.shares,
      pieces,
    }
  }
  const weights = pieces.map((piece) => piece.shares)
  const shares = apportion(weights, SHARES)
  const only = pieces.length === 1 ? pieces[0]?.sid : undefined
  return { value: only ?? printInline(pieces, shares), cells: [], shares, pieces }
}

/** Whether, over all slots, every peer gets about what is due to it. */
function isFair(slots: Slot[], peers: Weighted[], due: number[]): boolean {
  const got = new Map<string, number>()
  for (const slot of slots) {
    slot.pieces.forEach((piece, i) => {
      got.set(piece.sid, (got.get(piece.sid) ?? 0) + (slot.shares[i] ?? 0))
    })
  }
  return peers.every((peer, i) => isClose(got.get(peer.sid) ?? 0, due[i] ?? 0, TOLERANCE))
}

function toLayout(slots: Slot[]): Layout {
  const layout = new Map<string, string>()
  slots.forEach((slot, i) => {
    layout.set(`/${i}`, slot.value)
    slot.cells.forEach((sid, cell) => layout.set(`/${i}/${cell}`, sid))
  })
  return layout
}

/**
 * All slots of these peers (each SID once). Empty when there is none. The same peers give the same
 * slots, whatever their order.
 */
export function layOut(peers: Weighted[]): Layout {
  if (peers.length === 0) {
    return new Map()
  }
  const served = heaviest(peers, DRAWS)
  const shares = apportion(
    served.map((peer) => peer.weight),
    DRAWS,
  )
  const row = inARow(served, shares)
  if (row.some((pieces) => pieces.length > INLINE_PEERS)) {
    const even = spread(served, shares)
    const slots = even.every((pieces) => pieces.length > 0) ? even.map(write) : []
    if (slots.length > 0 && isFair(slots, served, shares)) {
      return toLayout(slots)
    }
  }
  return toLayout(row.map(write))
}
