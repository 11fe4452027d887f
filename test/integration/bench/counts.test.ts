/** The parts of the bench that count instructions still run: each once, as small as can be. */
import t from 'tap'
import { testParts } from '../../support/bench.js'

t.setTimeout(170_000)

await testParts(t, 'apply', 'scale')
