import t from 'tap'
import { Alarm } from '../../runtime/alarm.js'

const EVER_MS = 3_600_000

t.test('a ring ends the wait', async (t) => {
  const alarm = new Alarm()
  const waited = alarm.wait(EVER_MS)
  alarm.ring()
  await waited
  t.pass()
})

t.test('what rang before is not missed, and not heard twice', async (t) => {
  const alarm = new Alarm()
  alarm.ring()
  alarm.ring()
  await alarm.wait(EVER_MS)
  const startedMs = performance.now()
  await alarm.wait(5)
  t.ok(performance.now() - startedMs > 2, 'it took its time')
})
