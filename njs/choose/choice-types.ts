/** What a choice of a peer reads, and what it gives. */
import type { ListEntry, Rules } from '../../contract/table/rules.js'
import type { PeerLine } from '../../contract/table/table.js'
import type { Dict, NumberDict } from '../memory/dict.js'
import type { LookupRequest } from '../table/lookup-request.js'

/** What is read to choose. */
export interface ChoiceContext {
  table: Dict
  load: NumberDict
  request: LookupRequest
  nowMs: number
}

export interface PeerChoice {
  /** `:web` */
  upstream: string
  peer: PeerLine
  /** Of an upstream whose rules chose: they, and what they chose. */
  ruled?: { rules: Rules; entry: ListEntry }
}

/**
 * What the slot says: a peer, or only which upstream's rules choose. Both '' when it says
 * nothing.
 */
export interface Preferred {
  upstream: string
  sid: string
}
