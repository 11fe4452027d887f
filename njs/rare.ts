/**
 * What the front seldom needs. The njs engine makes a module's functions anew for each request, called or not; so the build
 * (scripts/build.mjs) puts all that this file imports inside `rare`, where it costs only those who call it.
 */
import { countFailure } from './count.js'
import { pickSlowly } from './lookup.js'
import { isStillThere } from './recheck.js'
import { describe } from './report.js'

export interface Rare {
  pickSlowly: typeof pickSlowly
  describe: typeof describe
  countFailure: typeof countFailure
  isStillThere: typeof isStillThere
}

export function rare(): Rare {
  return {
    pickSlowly: pickSlowly,
    describe: describe,
    countFailure: countFailure,
    isStillThere: isStillThere,
  }
}
