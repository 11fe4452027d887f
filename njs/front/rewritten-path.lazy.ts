/** The path of a request that is not written as nginx reads it. */
import { rewriteTarget, targetAsItCame } from '../hop/act-uri.js'
import type { FrontRequest } from './request.js'

export function rewrittenPath(r: FrontRequest, prefix: string, to: string): string {
  return rewriteTarget(targetAsItCame(r), prefix, { replacePrefix: to })
}
