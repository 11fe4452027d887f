/** What a choice by rules is made of, and what all balances ask. */
import type { ListEntry, Rules } from '../../../contract/table/rules.js'
import { SHARES } from '../../../contract/table/limits.js'
import type { Dict, NumberDict } from '../../memory/dict.js'
import { loadOf } from '../../memory/load.js'
import type { LookupRequest } from '../../table/lookup-request.js'

export interface Choosing {
  table: Dict
  load: NumberDict
  request: LookupRequest
  /** `:web` */
  upstream: string
  rules: Rules
  /** Of the instance that the client was with. */
  session: ListEntry | null
  /** What nginx drew, of 50,000; -1 until {@link numberOf} asks for it. */
  number: number
  /** SIDs that are left out, apart from each other by spaces. */
  tried: string
  nowMs: number
}

/** nginx draws a slot and a share, from long lists and only when it is asked. */
export function numberOf(c: Choosing): number {
  if (c.number < 0) {
    const v = c.request.variables
    c.number = Number(v.sluice_slot) * SHARES + Number(v.sluice_share)
  }
  return c.number
}

export function isFree(c: Choosing, entry: ListEntry): boolean {
  return (
    c.tried.indexOf(entry.sid) < 0 &&
    (entry.maxConns === 0 || loadOf(c.load, entry.sid) < entry.maxConns)
  )
}
