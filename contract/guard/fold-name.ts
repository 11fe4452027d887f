/** Names as other tools write them → names of Sluice's. Pure. */
import { isName } from './names.js'

/** What {@link foldName} does, for people. */
export const FOLD_RULE = 'lower case, and - in place of _ and .'

/**
 * `my.svc`, `redis_cache`, `Web` → `my-svc`, `redis-cache`, `web`. Undefined when that is no name.
 */
export function foldName(text: string): string | undefined {
  const folded = text
    .toLowerCase()
    .replace(/[-_.]+/g, '-')
    .replace(/^-|-$/g, '')
  return isName(folded) ? folded : undefined
}
