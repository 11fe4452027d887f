/** Which package indexes are taken. */
import t from 'tap'
import { dateOf, refuseOld } from '../../../setup/apt.js'

t.test('an old index is refused, however well it is signed', async (t) => {
  const release = 'Origin: Debian\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nArchitectures: amd64\n'
  const atMs = dateOf(release)
  t.equal(atMs, Date.UTC(2026, 6, 11, 10, 16, 37))
  const day = 86_400_000
  t.doesNotThrow(() => refuseOld(atMs, atMs + 300 * day), 'a snapshot may be behind')
  t.throws(() => refuseOld(atMs, atMs + 500 * day), {
    code: 'download_failed',
    message: /of 2026-07-11, which is too old/,
  })
  t.throws(() => dateOf('Origin: Debian\n'), { code: 'download_failed', message: /says no date/ })
})
