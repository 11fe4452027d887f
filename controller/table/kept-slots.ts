/**
 * Which upstreams nginx's kept pool serves, in which way, and the slots that say so
 * (contract/table/table.ts). Pure.
 */
import { createHash } from 'node:crypto'
import { SlotMark } from '../../contract/table/mark.js'
import { keptWay } from '../../contract/table/peer-way.js'
import type { Rules } from '../../contract/table/rules.js'
import type { Desired, DesiredCertificate, DesiredUpstream } from '../state/desired.js'
import type { Layout } from './slots.js'

/**
 * All that a connection to a peer of the upstream depends on; undefined where it is not kept. A
 * certificate that is shown counts by its text: a peer takes us for who we were when we showed it.
 */
export function wayOf(
  { protocol, tls }: DesiredUpstream,
  certificates: Desired['certificates'],
): string | undefined {
  const id = tls?.certificate
  const shown = id === undefined ? undefined : certificates.get(id)
  // The hop asks for calls of gRPC over TLS, and says what is missing.
  const isForHop = protocol === 'grpc' || (id !== undefined && shown === undefined)
  return isForHop || (protocol === undefined && tls === undefined)
    ? undefined
    : JSON.stringify([protocol, tls?.verify, tls?.serverName, id, shown && digestOf(shown)])
}

function digestOf({ record: { certificate, privateKey } }: DesiredCertificate): string {
  return createHash('sha256').update(certificate).update(privateKey).digest('hex')
}

/** The same, by an upstream's rules. */
export function isReachedKept({ tls, protocol }: Rules): boolean {
  return protocol === 'grpc' ? tls === '' : tls !== '' || protocol === 'h2'
}

/** Whether slots can say all that a request must know: a draw, and how the peers are reached. */
export function isDrawn(rules: Rules): boolean {
  const asksMore =
    rules.statuses > 0 ||
    rules.nonIdempotent ||
    rules.budgetPercent > 0 ||
    rules.sticky !== '' ||
    rules.capped ||
    rules.measured ||
    rules.trial !== ''
  return rules.balance === 'w' && isReachedKept(rules) && !asksMore
}

/** Those slots of a layout whose peers are all kept. */
export function keptSlots(layout: Layout, rules: Rules, kept: ReadonlySet<string>): Layout {
  const slots = new Map<string, string>()
  for (const [key, value] of layout) {
    if (value.startsWith(SlotMark.Cells)) {
      return new Map()
    }
    if (sidsIn(value).every((sid) => kept.has(sid))) {
      slots.set(key, `${SlotMark.Kept}${value} ${keptWay(rules)}`)
    }
  }
  return slots
}

/** Of a slot that one peer has, or that a few share: a threshold and a SID for each. */
function sidsIn(value: string): string[] {
  const shares = value.startsWith(SlotMark.Shared) ? value.slice(1).match(/.{35}/g) : null
  return shares?.map((share) => share.slice(3)) ?? [value]
}
