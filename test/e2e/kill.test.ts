/** Processes of Sluice are killed while the table serves. */
import t from 'tap'
import { testKills } from '../support/kill-suite.js'

testKills(t, 'off')
