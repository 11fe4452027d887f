/**
 * What the front seldom needs. The njs engine makes a module's functions anew for each request, called or not; so the build
 * (scripts/build.mjs) puts all that this file imports inside `rare`, where it costs only those who call it.
 */
import { countFailure } from './count.js'
import { zones } from './dict.js'
import type { Dict } from './dict.js'
import { pickSlowly } from './front.js'
import type { FrontRequest } from './front.js'
import { isStillThere } from './recheck.js'
import { describe } from './report.js'

export interface Rare {
  /** See front.ts. */
  pickSlowly(table: Dict, r: FrontRequest, key: string, value?: string): string
  describe: typeof describe
  countFailure: typeof countFailure
  isStillThere: typeof isStillThere
}

export function rare(): Rare {
  return {
    pickSlowly: (table, r, key, value) => pickSlowly(table, zones.sluice_load, r, key, value),
    describe: describe,
    countFailure: countFailure,
    isStillThere: isStillThere,
  }
}
