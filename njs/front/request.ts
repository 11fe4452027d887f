/** The request as the front sees it. */
import type { Asked } from '../table/asked.js'

export interface FrontRequest extends Asked {
  readonly method: string
}
