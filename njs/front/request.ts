/** The request as the front sees it. */
import type { LookupRequest } from '../table/lookup-request.js'

export interface FrontRequest extends LookupRequest {
  readonly method: string
}
