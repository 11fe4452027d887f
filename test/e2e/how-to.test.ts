/** The how-to does what it says. */
import t from 'tap'
import { runPage } from '../support/examples.js'

t.setTimeout(170_000)

t.test('each task on one machine', (t) => runPage(t, 'docs/how-to.md'))
