/** A change as the planners take it, what they may look at, and what comes of it. */
import type { Touched } from './last-touched.js'
import type { Control } from '../../control.js'
import type { CallTarget } from './targets.js'

export interface Call {
  method: 'PUT' | 'PATCH' | 'DELETE' | 'POST'
  target: CallTarget
  body: unknown
  /** The revision since which the target must not have changed; 0: it must not be there. */
  ifMatch?: number
  /** Delete an upstream with everything in it. */
  force?: boolean
}

/** What the planners may look at besides the draft. */
export type World = Pick<
  Control,
  'settings' | 'desired' | 'stream' | 'suspects' | 'ownAddresses'
> & {
  touched: Touched
}

export interface Outcome {
  /** The target was not there before. */
  created: boolean
  /** What the target is afterwards, as the API shows it. */
  shown: Record<string, unknown>
}
