/** Processes of Sluice are killed while nginx serves alone. */
import t from 'tap'
import { testKills } from '../support/kill-suite.js'

testKills(t, 'auto')
