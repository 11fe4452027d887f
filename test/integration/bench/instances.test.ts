/** The parts of the bench that pick among many instances still run, as small as can be. */
import t from 'tap'
import { testParts } from '../../support/bench.js'

t.setTimeout(200_000)

await testParts(t, 'instances')
