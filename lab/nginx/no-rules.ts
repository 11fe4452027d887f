/** Rules that ask for nothing, for tests of the table. */
import { plainRules } from '../../contract/table/rules.js'

/** Rules that ask for nothing, to make others of. */
export const NO_RULES = plainRules('w', 0, 0)
