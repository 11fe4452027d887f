/** Which package indexes are taken, and what apt names is read. */
import t from 'tap'
import { dateOf, packagesIn, refuseOld } from '../../../setup/apt.js'

t.test('an old index is refused, however well it is signed', async (t) => {
  const release = 'Origin: Debian\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nArchitectures: amd64\n'
  const atMs = dateOf(release)
  t.equal(atMs, Date.UTC(2026, 6, 11, 10, 16, 37))
  const day = 86_400_000
  t.doesNotThrow(() => refuseOld('trixie', atMs, atMs + 300 * day), 'a snapshot may be behind')
  t.throws(() => refuseOld('trixie', atMs, atMs + 500 * day), {
    code: 'download_failed',
    message: /of 2026-07-11, which is too old/,
  })
  const ended = Date.UTC(2025, 7, 9)
  t.doesNotThrow(() => refuseOld('bullseye', ended, ended + 9000 * day), 'nobody signs it anew')
  const before = { message: /bullseye is of 2024-01-01, which is too old/ }
  t.throws(() => refuseOld('bullseye', Date.UTC(2024, 0, 1)), before, 'it is not the last one')
  t.throws(() => dateOf('Origin: Debian\n'), { code: 'download_failed', message: /says no date/ })
})

t.test('packages are known by the files that apt would fetch', async (t) => {
  const printed = [
    'Reading package lists...',
    "'http://deb.example/c/curl_8.22.0-1_amd64.deb' curl_8.22.0-1_amd64.deb 290676 MD5Sum:bb",
    "'http://deb.example/t/tini_1%253a0.19-1+b2_amd64.deb' tini_1%3a0.19-1+b2_amd64.deb 1 SHA256:a",
  ]
  t.same(packagesIn(printed.join('\n')), [
    { name: 'curl', version: '8.22.0-1' },
    { name: 'tini', version: '1:0.19-1+b2' },
  ])
})
