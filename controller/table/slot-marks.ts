/** Marks in slots: whom a request is to try, and that an upstream's rules choose. Pure. */
import { printSlot } from '../../contract/table/table.js'
import { SLOTS } from '../../contract/table/limits.js'
import type { Peer } from './peers.js'
import type { Layout } from './slots.js'

interface Marks {
  /** Whether the slots name an upstream whose rules choose. */
  ruled: boolean
  /** Peers that one request each is to try. */
  trials: Peer[]
}

/**
 * A trial takes one slot, which its SID says; further ones the next that is free, and none above as
 * many as there are slots.
 */
function trialSlots(trials: Peer[]): Map<string, Peer> {
  const slots = new Map<string, Peer>()
  for (const peer of trials.slice(0, SLOTS)) {
    let slot = parseInt(peer.sid.slice(0, 6), 16) % SLOTS
    while (slots.has(`/${slot}`)) {
      slot = (slot + 1) % SLOTS
    }
    slots.set(`/${slot}`, peer)
  }
  return slots
}

export function markSlots(layout: Layout, { ruled, trials }: Marks): Layout {
  if (!ruled && trials.length === 0) {
    return layout
  }
  const tried = trialSlots(trials)
  const isCell = (key: string) => key.lastIndexOf('/') > 0
  const marked = [...layout].map(([key, value]): [string, string] => {
    const peer = tried.get(key)
    const trial = peer === undefined ? '' : `${peer.trial}${peer.sid}`
    return [key, isCell(key) ? value : printSlot({ trial, ruled, value })]
  })
  return new Map(marked)
}

export function trialsOf(compiled: { peers: Peer[] }): Peer[] {
  return compiled.peers.filter(({ trial }) => trial > 0)
}
