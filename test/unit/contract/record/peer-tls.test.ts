/** The guard of TLS towards instances. */
import fc from 'fast-check'
import t from 'tap'
import { guardPeerTls } from '../../../../contract/record/peer-tls.js'
import { guardUpstream } from '../../../../contract/record/upstream-record.js'

t.test('certificates are verified unless set otherwise', async (t) => {
  const value = { serverName: 'shop.internal', verify: true }
  t.same(guardPeerTls({ serverName: 'shop.internal' }), { ok: true, value })
  const shown = { verify: false, certificate: 'gateway' }
  t.same(guardPeerTls(shown), { ok: true, value: shown })
  t.same(guardPeerTls({ verify: false }), { ok: true, value: { verify: false } })
})

t.test('bad input is refused by name', async (t) => {
  const cases: Array<[value: unknown, field: string]> = [
    [{}, 'serverName'],
    [{ verify: true }, 'serverName'],
    [{ verify: 'no' }, 'verify'],
    [{ serverName: '10.0.0.7' }, 'serverName'],
    [{ serverName: '*.internal' }, 'serverName'],
    [{ serverName: 'shop.internal:443' }, 'serverName'],
    [{ serverName: 'Shop.internal' }, 'serverName'],
    [{ serverName: 'shop internal' }, 'serverName'],
    [{ serverName: 'a;}' }, 'serverName'],
    [{ serverName: '' }, 'serverName'],
    [{ serverName: 'shop.internal', ca: 'x' }, 'ca'],
    [{ verify: false, certificate: 'folder/app' }, 'certificate'],
    [{ verify: false, certificate: true }, 'certificate'],
    [{ certificate: 'gateway' }, 'serverName'],
    [true, ''],
    [null, ''],
  ]
  for (const [value, field] of cases) {
    t.match(guardPeerTls(value), { ok: false, field }, JSON.stringify(value))
  }
  t.match(guardUpstream({ tls: { serverName: 7 } }), { ok: false, field: 'tls.serverName' })
  t.match(guardUpstream({ tls: null }), { ok: false, field: 'tls' })
})

t.test('no input makes the guard throw, and what passes passes again', async () => {
  const value = fc.dictionary(fc.constantFrom('serverName', 'verify', 'certificate'), fc.anything())
  fc.assert(
    fc.property(fc.oneof(fc.anything(), value), (input) => {
      const checked = guardPeerTls(input)
      return !checked.ok || guardPeerTls(checked.value).ok
    }),
  )
})
