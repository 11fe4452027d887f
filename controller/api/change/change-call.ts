/** A change as the planners take it, what they may look at, and what comes of it. */
import type { Touched } from './last-touched.js'
import type { Preconditions } from '../http/preconditions.js'
import type { ControllerForApi } from '../../controller-for-api.js'
import type { CallTarget } from './targets.js'

export interface ChangeCall extends Preconditions {
  /** Which row of the call table it is. */
  operationId: string
  target: CallTarget
  body: unknown
  /** Delete an upstream with everything in it. */
  force?: boolean
}

/** What the planners may look at besides the draft. */
export type World = Pick<
  ControllerForApi,
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
