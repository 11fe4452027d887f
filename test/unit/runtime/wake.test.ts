import t from 'tap'
import { Wake } from '../../../runtime/wake.js'

const EVER_MS = 3_600_000

t.test('a ring ends the wait', async (t) => {
  const wake = new Wake()
  const waited = wake.wait(EVER_MS)
  wake.call()
  await waited
  t.pass()
})

t.test('what rang before is not missed, and not heard twice', async (t) => {
  const wake = new Wake()
  wake.call()
  wake.call()
  await wake.wait(EVER_MS)
  const startedMs = performance.now()
  await wake.wait(5)
  t.ok(performance.now() - startedMs > 2, 'it took its time')
})
