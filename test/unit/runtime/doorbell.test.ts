/** The bell between a loop and those who have work for it. */
import t from 'tap'
import { Doorbell } from '../../../runtime/doorbell.js'

const EVER_MS = 3_600_000

t.test('a ring ends the wait', async (t) => {
  const doorbell = new Doorbell()
  const waited = doorbell.wait(EVER_MS)
  doorbell.ring()
  await waited
  t.pass()
})

t.test('what rang before is not missed, and not heard twice', async (t) => {
  const doorbell = new Doorbell()
  doorbell.ring()
  doorbell.ring()
  await doorbell.wait(EVER_MS)
  const startedMs = performance.now()
  await doorbell.wait(5)
  t.ok(performance.now() - startedMs > 2, 'it took its time')
})
