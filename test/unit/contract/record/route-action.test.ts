/** The guard of what routes do. */
import t from 'tap'
import { guardAction } from '../../../../contract/record/route-action.js'
import { guardRoute } from '../../../../contract/record/route.js'

t.test('what does not fit is refused by name', async (t) => {
  const bad: Array<[fields: Record<string, unknown>, field: string]> = [
    [{ rewrite: {} }, 'rewrite'],
    [{ rewrite: { stripPrefix: true, replacePrefix: '/v2' } }, 'rewrite'],
    [{ rewrite: { stripPrefix: false } }, 'rewrite.stripPrefix'],
    [{ rewrite: { replacePrefix: '/v2/' } }, 'rewrite.replacePrefix'],
    [{ rewrite: { replacePrefix: '/v2 HTTP/1.1\r\nX: y' } }, 'rewrite.replacePrefix'],
    [{ rewrite: { regex: '.*' } }, 'rewrite.regex'],
    [{ rewrite: '/v2' }, 'rewrite'],
    [{ upstreamHost: 'a b' }, 'upstreamHost'],
    [{ upstreamHost: '*.example.com' }, 'upstreamHost'],
    [{ upstreamHost: 'a.example:0' }, 'upstreamHost'],
    [{ upstreamHost: 'a.example\r\nX: y' }, 'upstreamHost'],
    [{ redirect: {} }, 'redirect'],
    [{ redirect: { status: 301 } }, 'redirect'],
    [{ redirect: { scheme: 'ftp' } }, 'redirect.scheme'],
    [{ redirect: { host: 'https://a.example' } }, 'redirect.host'],
    [{ redirect: { port: 65536 } }, 'redirect.port'],
    [{ redirect: { path: '//evil.example' } }, 'redirect.path'],
    [{ redirect: { path: '/a?b' } }, 'redirect.path'],
    [{ redirect: { path: '/a', replacePrefix: '/b' } }, 'redirect.replacePrefix'],
    [{ redirect: { host: 'a.example', status: 200 } }, 'redirect.status'],
    [{ maintenance: { status: 302 } }, 'maintenance.status'],
    [{ maintenance: { contentType: 'text/html\r\nX: y' } }, 'maintenance.contentType'],
    [{ maintenance: { body: 'x'.repeat(16_385) } }, 'maintenance.body'],
    [{ maintenance: { body: 'ü'.repeat(6000) } }, 'maintenance'],
    [{ maintenance: { body: 'half \ud83d' } }, 'maintenance.body'],
    [{ pages: { 503: { body: '\ude00 half' } } }, 'pages.503.body'],
    [{ maintenance: true }, 'maintenance'],
    [{ requestHeaders: {} }, 'requestHeaders'],
    [{ requestHeaders: { set: [] } }, 'requestHeaders.set'],
    [{ requestHeaders: { set: { 'X-A': 'b\r\nX-C: d' } } }, 'requestHeaders.set.X-A'],
    [{ requestHeaders: { set: { 'X-A\r\nX-C': 'd' } } }, 'requestHeaders.set.X-A\r\nX-C'],
    [{ requestHeaders: { set: { 'X-A': ' b' } } }, 'requestHeaders.set.X-A'],
    [{ requestHeaders: { set: { 'X-A': '' } } }, 'requestHeaders.set.X-A'],
    [{ requestHeaders: { set: { Host: 'b' } } }, 'requestHeaders.set.Host'],
    [{ requestHeaders: { remove: ['Content-Length'] } }, 'requestHeaders.remove[0]'],
    [{ requestHeaders: { remove: ['x-sluice-pick'] } }, 'requestHeaders.remove[0]'],
    [{ requestHeaders: { set: { x_sluice_pick: ':a/1' } } }, 'requestHeaders.set.x_sluice_pick'],
    [{ requestHeaders: { add: { Content_Length: '1' } } }, 'requestHeaders.add.Content_Length'],
    [{ requestHeaders: { remove: [7] } }, 'requestHeaders.remove[0]'],
    [{ requestHeaders: { set: { a: 'b' }, remove: ['A'] } }, 'requestHeaders.remove'],
    [{ requestHeaders: { set: { a: 'b', A: 'b' } } }, 'requestHeaders.set'],
    [
      { responseHeaders: { set: { 'X-Accel-Redirect': '/x' } } },
      'responseHeaders.set.X-Accel-Redirect',
    ],
    [{ responseHeaders: { add: { Server: 'x' } } }, 'responseHeaders.add.Server'],
    [{ timeouts: {} }, 'timeouts.readMs'],
    [{ timeouts: { readMs: 1500 } }, 'timeouts.readMs'],
    [{ timeouts: { readMs: 1000, connectMs: 5 } }, 'timeouts.connectMs'],
    [{ timeouts: { sendMs: 5 } }, 'timeouts.sendMs'],
    [{ maxBodyBytes: -1 }, 'maxBodyBytes'],
    [{ maxBodyBytes: '1m' }, 'maxBodyBytes'],
    [{ buffering: 'on' }, 'buffering'],
    [{ mirror: { percent: 5 } }, 'mirror.upstream'],
    [{ upgrade: 'h2c' }, 'upgrade'],
    [{ upgrade: Array.from({ length: 9 }, (_, i) => `p${i}`) }, 'upgrade'],
    [{ upgrade: ['h2c', 'a b'] }, 'upgrade.1'],
    [{ upgrade: ['h2c\r\nX: y'] }, 'upgrade.0'],
    [{ upgrade: ['$host'] }, 'upgrade.0'],
    [{ upgrade: ['~h2c'] }, 'upgrade.0'],
    [{ upgrade: [''] }, 'upgrade.0'],
    [{ upgrade: [7] }, 'upgrade.0'],
    [{ mirror: { upstream: 'a', percent: 0 } }, 'mirror.percent'],
  ]
  for (const [fields, field] of bad) {
    t.match(guardAction(fields), { ok: false, field }, JSON.stringify(fields).slice(0, 80))
  }
})

t.test("an action's defaults are filled in", async (t) => {
  t.same(guardAction({ redirect: { scheme: 'https' }, maintenance: {} }), {
    ok: true,
    value: {
      redirect: { scheme: 'https', status: 302 },
      maintenance: { status: 503, contentType: 'text/html; charset=utf-8', body: '' },
    },
  })
  t.same(guardAction({ upstream: 'web' }), { ok: true, value: undefined })
})

t.test('a route needs an upstream unless it answers by itself', async (t) => {
  const hosts = ['a.example']
  t.match(guardRoute({ hosts, rewrite: { stripPrefix: true } }), { ok: false, field: 'upstream' })
  t.match(guardRoute({ hosts, redirect: { host: 'b.example' } }), { ok: true })
  t.match(guardRoute({ hosts, maintenance: {} }), { ok: true })
  t.match(guardRoute({ hosts, maintenance: {}, upstream: 'web' }), { ok: true })
  t.match(guardRoute({ hosts, maintenance: {}, upstream: 'web', split: [] }), { ok: false })
})

t.test('protocols are told apart in lower case', async (t) => {
  const checked = guardAction({ upgrade: ['H2C', 'h2c', 'TLS/1.2'] })
  t.same(checked, { ok: true, value: { upgrade: ['h2c', 'tls/1.2'] } })
})
