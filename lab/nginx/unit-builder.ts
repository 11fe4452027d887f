/**
 * Builds units of the table in the slow and plain way, so that data plane tests do not rest on the
 * controller's compiler.
 */
import { createHash } from 'node:crypto'
import type { Operation } from '../../contract/push.js'
import {
  CHUNK_ENTRIES,
  RING_CHUNK,
  RING_POSITIONS,
  printEntry,
  printRules,
} from '../../contract/table/rules.js'
import { printActionRecord } from '../../contract/table/action-record.js'
import type { ActionRecord } from '../../contract/table/action-record.js'
import type { Rules } from '../../contract/table/rules.js'
import { SlotMark, printNamedSlot } from '../../contract/table/mark.js'
import { Width, indexBucket, peerBucket, printPeer, shareCell } from '../../contract/table/table.js'
import { sidOfAddress } from '../../controller/state/sid.js'
import { NO_RULES } from './no-rules.js'
import { INLINE_PEERS, SHARES, SLOTS } from '../../contract/table/limits.js'

export interface TestPeer {
  id: string
  address: string
  weight?: number
  up?: boolean
  ejected?: boolean
  pooled?: boolean
}

export type Entries = Map<string, string>

function withDigest(entries: Entries, unit: string, record: string): Entries {
  const all = [...entries].map(([key, value]) => `${key}=${value}`).join('\n') + record
  const digest = createHash('md5').update(all).digest('hex').slice(0, 8)
  return new Map([...entries, [unit, `${digest} ${record}`]])
}

/** Each slot is 1/50 of the whole; what of it falls to whom, by weights laid end to end. */
function slotEntries(unit: string, shares: Array<{ sid: string; weight: number }>): Entries {
  const entries: Entries = new Map()
  const total = shares.reduce((sum, { weight }) => sum + weight, 0)
  if (total === 0) {
    return entries
  }
  let at = 0
  const spans = shares.map(({ sid, weight }) => {
    const from = at
    at += (weight / total) * SLOTS
    return { sid, from, to: at }
  })
  for (let slot = 0; slot < SLOTS; slot++) {
    const inside = spans
      .map(({ sid, from, to }) => ({ sid, to: Math.min(to, slot + 1) - slot, from: from - slot }))
      .filter(({ from, to }) => to > 1e-9 && from < 1 - 1e-9)
    writeSlot(entries, `${unit}/${slot}`, inside)
  }
  return entries
}

function writeSlot(
  entries: Entries,
  key: string,
  inside: Array<{ sid: string; to: number }>,
): void {
  const [first] = inside
  if (inside.length === 1 && first) {
    entries.set(key, first.sid)
  } else if (inside.length <= INLINE_PEERS) {
    const parts = inside.map(({ sid, to }, i) => {
      const threshold = i === inside.length - 1 ? SHARES - 1 : Math.round(to * SHARES)
      return String(Math.min(threshold, SHARES - 1)).padStart(3, '0') + sid
    })
    entries.set(key, `*${parts.join('')}`)
  } else {
    entries.set(key, `#${SHARES}`)
    for (let share = 0; share < SHARES; share++) {
      const cell = shareCell(share, SHARES)
      const owner = inside.find(({ to }) => share / SHARES < to) ?? inside.at(-1)
      entries.set(`${key}/${cell}`, owner?.sid ?? '')
    }
  }
}

export function upstreamUnit(name: string, peers: TestPeer[], buckets = 1): Entries {
  const unit = `:${name}`
  const up = peers.filter(({ up = true }) => up)
  const entries = slotEntries(
    unit,
    up.map(({ address, weight = 1 }) => ({ sid: sidOfAddress(address), weight })),
  )
  const lines = new Map<number, string[]>()
  for (const { id, address, up = true, ejected = false, pooled = false } of peers) {
    const sid = sidOfAddress(address)
    const bucket = peerBucket(sid, buckets)
    const line = printPeer({ sid, address, id, up, ejected, pooled, seat: '', token: '' })
    lines.set(bucket, [...(lines.get(bucket) ?? []), line])
  }
  for (const [bucket, each] of lines) {
    entries.set(`${unit}#${bucket}`, each.join('\n'))
  }
  return withDigest(entries, unit, String(buckets))
}

/** `slots`: those of the unit that serves `/`, where there is no other path. */
export function hostUnit(host: string, routes: Array<[string, string]>, slots?: Entries): Entries {
  const unit = `@${host}`
  const entries: Entries = new Map()
  for (const [key, value] of slots ?? []) {
    const slash = key.indexOf('/')
    if (slash > 0) {
      entries.set(unit + key.slice(slash), value)
    }
  }
  const record = routes.map(([prefix, target]) => `${prefix} ${target}`).join('\n')
  return withDigest(entries, unit, record)
}

/** The slots of `web` as a host has them where the gateway takes names from there. */
export function namedSlots(upstream: string, slots: Entries, peers: TestPeer[]): Entries {
  const ids = new Map(peers.map(({ address, id }) => [sidOfAddress(address), id]))
  return new Map(
    [...slots].map(([key, value]): [string, string] => {
      const id = ids.get(value)
      return [key, id === undefined ? value : printNamedSlot(value, upstream, id)]
    }),
  )
}

export function actionUnit(id: string, record: ActionRecord): Entries {
  return withDigest(new Map(), `&${id}`, printActionRecord(record))
}

export function splitUnit(
  name: string,
  arms: Array<{ upstream: string; weight: number; peers: TestPeer[] }>,
): Entries {
  const unit = `~${name}`
  const shares = arms.flatMap(({ weight, peers }) => {
    const total = peers.reduce((sum, peer) => sum + (peer.weight ?? 1), 0)
    return peers.map((peer) => ({
      sid: sidOfAddress(peer.address),
      weight: (weight * (peer.weight ?? 1)) / total,
    }))
  })
  const record = arms.map(({ upstream }) => `:${upstream}`).join(' ')
  return withDigest(slotEntries(unit, shares), unit, record)
}

/** What makes `before` into `after`, the index of units included. */
export function difference(before: Entries, after: Entries): Operation[] {
  const from = withIndex(before)
  const to = withIndex(after)
  const sets = [...to].filter(([key, value]) => from.get(key) !== value)
  const deletes = [...from.keys()].filter((key) => !to.has(key))
  return [...sets, ...deletes.map((key): Operation => [key, null])]
}

function withIndex(entries: Entries): Entries {
  const index = new Map<string, string[]>()
  for (const unit of entries.keys()) {
    if (/^[:@~&][^/#%$=]*$/.test(unit)) {
      const key = `#${indexBucket(unit)}`
      index.set(key, [...(index.get(key) ?? []), unit])
    }
  }
  return new Map([...entries, ...[...index].map(([k, v]): [string, string] => [k, v.join('\n')])])
}

export interface RuledPeer extends TestPeer {
  maxConns?: number
  /** Its name in a session; `d` before it: it drains and keeps its sessions. */
  session?: string
}

/**
 * An upstream whose rules choose. `main` and `spill` name peers by id, in the order of the lists.
 * `kept`: `_tls shop.internal`, and the kept pool has those of `main`.
 */
export function ruledUnit(
  name: string,
  peers: RuledPeer[],
  rules: Partial<Rules>,
  lists: { main: string[]; spill?: string[]; cookie?: string; kept?: string },
): Entries {
  const unit = `:${name}`
  const entries: Entries = new Map()
  const byId = new Map(peers.map((peer) => [peer.id, peer]))
  const entryOf = (id: string): string => {
    const { address, weight = 1, maxConns = 0 } = byId.get(id) ?? { address: '' }
    return printEntry({ sid: sidOfAddress(address), weight, maxConns })
  }
  const spill = lists.spill ?? []
  const listed = [...lists.main, ...spill].map(entryOf)
  for (let i = 0; i * CHUNK_ENTRIES < listed.length; i++) {
    const chunk = listed.slice(i * CHUNK_ENTRIES, (i + 1) * CHUNK_ENTRIES)
    entries.set(`${unit}%${i}`, chunk.join(''))
  }
  // Of the even positions each listed peer has as many as the next, in the order of the list; the
  // odd ones go round.
  for (let i = 0; rules.balance === 'h' && i * RING_CHUNK < RING_POSITIONS; i++) {
    const length = Math.min(RING_CHUNK, RING_POSITIONS - i * RING_CHUNK)
    const digits = Array.from({ length }, (_, n) => {
      const at = i * RING_CHUNK + n
      const block = Math.floor((at * lists.main.length) / RING_POSITIONS)
      const index = at % 2 === 0 ? block : ((at - 1) / 2) % lists.main.length
      return index.toString(36).padStart(3, '0')
    })
    entries.set(`${unit}=${i}`, digits.join(''))
  }
  const lines = peers.map(
    ({ id, address, up = true, ejected = false, pooled = false, session = '' }) => {
      if (session !== '') {
        entries.set(`${unit}$${session}`, `${entryOf(id)}${up ? 'u' : 'd'}`)
      }
      return printPeer({
        sid: sidOfAddress(address),
        address,
        id,
        up,
        ejected,
        pooled,
        seat: '',
        token: session,
      })
    },
  )
  entries.set(`${unit}#0`, lines.join('\n'))
  if (lists.cookie !== undefined) {
    entries.set(`${unit}$`, lists.cookie)
  }
  if (lists.kept !== undefined) {
    const shares = lists.main.map((id) => ({ sid: entryOf(id).slice(0, Width.Sid), weight: 1 }))
    for (const [key, value] of slotEntries(unit, shares)) {
      entries.set(key, `${SlotMark.Kept}${value} ${lists.kept}`)
    }
  }
  const weights = [...new Set(lists.main)].reduce((sum, id) => sum + (byId.get(id)?.weight ?? 1), 0)
  const all = { ...NO_RULES, weights, count: lists.main.length, spill: spill.length, ...rules }
  return withDigest(entries, unit, `1 ${printRules(all)}`)
}

/** A split without slots, by the lines of its record (contract/table/split-record.ts). */
export function chosenUnit(name: string, ...lines: string[]): Entries {
  return withDigest(new Map(), `~${name}`, lines.join('\n'))
}
