/** The request as the front sees it. */
import type { HeadersOut } from '../hop/edit-header.js'
import type { LookupRequest } from '../table/lookup-request.js'

export interface FrontRequest extends LookupRequest {
  readonly method: string
  readonly rawVariables: { [name: string]: Buffer | undefined }
  readonly headersOut: HeadersOut
}
