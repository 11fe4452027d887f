/** Who waits until something is so goes on when it is, when time is over, or when he is to end. */
import t from 'tap'
import { Waiters } from '../../../../controller/gateways/waiters.js'

const LONG_MS = 60_000

t.test('who waits looks when something changed, and when only time passed', async (t) => {
  const waiters = new Waiters()
  let isSo = false
  const changed = waiters.until(() => isSo, LONG_MS)
  isSo = true
  waiters.look()
  t.equal(await changed, true)
  let looks = 0
  t.equal(await waiters.until(() => ++looks > 2, LONG_MS), true, 'nobody said that it changed')
})

t.test('a wait ends at once when its signal aborts, and when its time is over', async (t) => {
  const waiters = new Waiters()
  const gone = new AbortController()
  const waiting = waiters.until(() => false, LONG_MS, gone.signal)
  gone.abort()
  t.equal(await waiting, false)
  t.equal(await waiters.until(() => false, LONG_MS, gone.signal), false, 'it was aborted before')
  t.equal(await waiters.until(() => false, 10), false)
  t.equal(await waiters.until(() => false, 0), false)
})
