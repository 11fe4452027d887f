/** Names as other tools write them → names of Sluice's. Pure. */
import { isName } from './names.js'

/** What {@link foldName} does, for people. */
export const FOLD_RULE = 'lower case, and - in place of _ and .'

/** What a name has to be that {@link foldName} folds, for people. */
export const FOLDED_NAME_RULE = 'must be 1 to 63 characters of a-z, 0-9 and - after ' + FOLD_RULE

/** `, folded from "Web": …` behind a name that was folded, for people; '' behind another. */
export function printFolding(given: string, folded: string | undefined): string {
  return folded === given ? '' : `, folded from ${JSON.stringify(given.slice(0, 80))}: ${FOLD_RULE}`
}

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
