/** The guard of active checks. */
import fc from 'fast-check'
import t from 'tap'
import { guardCheckPolicy } from '../../../../contract/record/check-policy.js'
import { parseStatuses } from '../../../../contract/record/check-request.js'

const COMMON = {
  intervalMs: 5000,
  timeoutMs: 2000,
  rise: 2,
  fall: 3,
  jitterPercent: 10,
  initial: 'up',
}
const HTTP = { method: 'GET', path: '/', statuses: '200-399' }

function problem(value: unknown): { field: string; message: string } | null {
  const checked = guardCheckPolicy(value)
  return checked.ok ? null : { field: checked.field, message: checked.message }
}

t.test('every type gets the defaults of its own fields', async (t) => {
  const value = (given: unknown) => {
    const checked = guardCheckPolicy(given)
    return checked.ok ? checked.value : checked
  }
  t.same(value({ type: 'http' }), { type: 'http', ...COMMON, ...HTTP })
  t.same(value({ type: 'tcp' }), { type: 'tcp', ...COMMON })
  t.same(value({ type: 'grpc' }), { type: 'grpc', ...COMMON, service: '' })
  t.match(value({ type: 'tcp', intervalMs: 500 }), { intervalMs: 500, timeoutMs: 500 })
  t.match(value({ type: 'tcp', intervalMs: undefined }), COMMON)
  const all = {
    type: 'http',
    intervalMs: 1000,
    timeoutMs: 1000,
    rise: 1,
    fall: 100,
    jitterPercent: 0,
    initial: 'down',
    port: 9000,
    method: 'POST',
    path: '/healthz?deep=1',
    headers: { 'X-Check': 'sluice', authorization: 'Basic eDp5' },
    statuses: '200,204,300-399',
    body: 'ok ✓',
    host: 'app.example.com:8443',
    tls: true,
  }
  t.same(value(all), all)
})

t.test('what is wrong is named by field', async (t) => {
  const http = (fields: object) => ({ type: 'http', ...fields })
  const cases: Array<[unknown, string]> = [
    [null, ''],
    [[], ''],
    ['http', ''],
    [{}, 'type'],
    [{ type: 'udp' }, 'type'],
    [{ type: ['http'] }, 'type'],
    [http({ colour: 'red' }), 'colour'],
    [JSON.parse('{"type": "http", "__proto__": {"path": "/x"}}'), '__proto__'],
    [http({ intervalMs: 499 }), 'intervalMs'],
    [http({ intervalMs: 3600001 }), 'intervalMs'],
    [http({ intervalMs: '5000' }), 'intervalMs'],
    [http({ intervalMs: null }), 'intervalMs'],
    [http({ timeoutMs: 49 }), 'timeoutMs'],
    [http({ timeoutMs: 60001, intervalMs: 3600000 }), 'timeoutMs'],
    [http({ timeoutMs: 1001, intervalMs: 1000 }), 'timeoutMs'],
    [http({ rise: 0 }), 'rise'],
    [http({ fall: 101 }), 'fall'],
    [http({ jitterPercent: 51 }), 'jitterPercent'],
    [http({ initial: 'draining' }), 'initial'],
    [http({ port: 0 }), 'port'],
    [http({ method: 'get' }), 'method'],
    [http({ method: 'DELETE' }), 'method'],
    [http({ path: 'healthz' }), 'path'],
    [http({ path: '/a b' }), 'path'],
    [http({ path: '/a\r\nX: y' }), 'path'],
    [http({ path: '/ä' }), 'path'],
    [http({ path: '/'.repeat(1025) }), 'path'],
    [http({ headers: [] }), 'headers'],
    [http({ statuses: '' }), 'statuses'],
    [http({ statuses: '200-' }), 'statuses'],
    [http({ statuses: '399-200' }), 'statuses'],
    [http({ statuses: '101' }), 'statuses'],
    [http({ statuses: '200, 204' }), 'statuses'],
    [http({ statuses: 200 }), 'statuses'],
    [http({ intervalMs: { toString: 1, valueOf: 1 } }), 'intervalMs'],
    [http({ headers: { a: { toString: 1, valueOf: 1 } } }), 'headers'],
    [http({ body: '' }), 'body'],
    [http({ body: 'a\nb' }), 'body'],
    [http({ body: 'ok', method: 'HEAD' }), 'body'],
    [http({ host: 'a\r\nX: y' }), 'host'],
    [http({ host: 'a/b' }), 'host'],
    [http({ host: '' }), 'host'],
    [http({ tls: 'yes' }), 'tls'],
    [{ type: 'grpc', service: 'a b' }, 'service'],
    [{ type: 'grpc', service: 7 }, 'service'],
  ]
  for (const [value, field] of cases) {
    t.equal(problem(value)?.field, field, JSON.stringify(value).slice(0, 80))
  }
})

t.test('a field of another type is refused by its name, and says whose it is', async (t) => {
  t.same(problem({ type: 'tcp', path: '/' }), {
    field: 'path',
    message: 'is for type http alone, and type is tcp',
  })
  t.match(problem({ type: 'http', service: '' }), { field: 'service', message: /type grpc/ })
  t.match(problem({ type: 'grpc', tls: true }), { field: 'tls', message: /type http/ })
})

t.test('no header can break out of its line or frame the request anew', async (t) => {
  const bad: Array<Record<string, unknown>> = [
    { 'a b': 'x' },
    { 'a:': 'x' },
    { 'a\r\nb': 'x' },
    { '': 'x' },
    { _a: 'x' },
    { a: 'x\r\ny: z' },
    { a: 'x\u0000' },
    { a: 'ä' },
    { a: 7 },
    { a: ['x'] },
    { a: 'x'.repeat(1025) },
    { Host: 'x' },
    { 'Content-Length': '5' },
    { 'transfer-encoding': 'chunked' },
    { connection: 'upgrade' },
    { expect: '100-continue' },
    { 'X-A': '1', 'x-a': '2' },
    Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`h${index}`, ''])),
  ]
  for (const headers of bad) {
    t.equal(problem({ type: 'http', headers })?.field, 'headers', JSON.stringify(headers))
  }
  t.match(problem({ type: 'http', headers: { Host: 'x' } }), { message: /own, host/ })
})

t.test('statuses are ranges', async (t) => {
  t.same(parseStatuses('200-399'), [[200, 399]])
  t.same(parseStatuses('200,204,500-599'), [
    [200, 200],
    [204, 204],
    [500, 599],
  ])
})

t.test('no input makes the guard throw', async (t) => {
  const close = fc.record(
    {
      type: fc.constantFrom('http', 'tcp', 'grpc'),
      intervalMs: fc.oneof(fc.integer({ min: 400, max: 9000 }), fc.anything()),
      timeoutMs: fc.anything(),
      headers: fc.oneof(fc.dictionary(fc.string(), fc.anything()), fc.anything()),
      path: fc.anything(),
      statuses: fc.oneof(fc.string(), fc.anything()),
      host: fc.anything(),
      service: fc.anything(),
    },
    { requiredKeys: ['type'] },
  )
  const holds = fc.property(fc.oneof(fc.anything(), close), (value) => {
    guardCheckPolicy(value)
    return true
  })
  t.doesNotThrow(() => fc.assert(holds, { numRuns: 1000 }))
})

t.test('what the guard answers passes again, unchanged', async (t) => {
  const right = fc.record(
    {
      type: fc.constant('http'),
      intervalMs: fc.integer({ min: 500, max: 3_600_000 }),
      rise: fc.integer({ min: 1, max: 100 }),
      initial: fc.constantFrom('up', 'down'),
      port: fc.integer({ min: 1, max: 65535 }),
      path: fc.webPath().map((path) => `/${path}`),
      headers: fc.dictionary(
        fc.stringMatching(/^X-[a-z]{1,9}$/),
        fc.stringMatching(/^[ -~]{0,9}$/),
      ),
      statuses: fc.constantFrom('200', '200-299,301'),
      tls: fc.boolean(),
    },
    { requiredKeys: ['type'] },
  )
  const holds = fc.property(right, (value) => {
    const checked = guardCheckPolicy(value)
    const again = checked.ok ? guardCheckPolicy(checked.value) : checked
    return checked.ok && JSON.stringify(again) === JSON.stringify(checked)
  })
  t.doesNotThrow(() => fc.assert(holds, { numRuns: 500 }))
})
