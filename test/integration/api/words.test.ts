// What is refused is refused in words: which field, what is expected there, and what was given.
import t from 'tap'
import { makeLogger } from '../../../runtime/logger.js'
import { problem, testApi } from '../../support/api.js'

const A = '/v1/upstreams/web/instances/a'
const WEB = '/v1/upstreams/web'
const APP = '/v1/routes/app'
const BATCH = '/v1/batch'
const PUT = { method: 'PUT', path: APP }
const HOST = { host: '127.0.0.1' }
const TO = { hosts: ['a.test'], upstream: 'web' }

t.test('each wrong body is named by field, with what it must be', async (t) => {
  const { call } = await testApi(t)
  const cases: Array<[method: string, path: string, body: unknown, detail: string]> = [
    ['PUT', A, HOST, 'port is missing; it must be a whole number from 1 to 65535'],
    [
      'PUT',
      A,
      { ...HOST, port: '80' },
      'port must be a whole number from 1 to 65535 (given: "80")',
    ],
    ['PUT', A, { ...HOST, port: 0 }, 'port must be a whole number from 1 to 65535 (given: 0)'],
    [
      'PUT',
      A,
      { ...HOST, port: 80, colour: 1 },
      'colour is not a known field; known are host, port, weight, maxConns, backup, zone, metadata, ttlMs',
    ],
    [
      'PUT',
      WEB,
      { policy: { retry: { tries: {} } } },
      'policy.retry.tries must be a whole number from 1 to 8 (given: an empty object)',
    ],
    [
      'PATCH',
      WEB,
      { policy: { balance: 'best' } },
      'policy.balance must be one of random, roundRobin, leastConn, randomTwo, leastTime, hash, ipHash (given: "best")',
    ],
    [
      'PUT',
      APP,
      { ...TO, methods: ['GET', 'get'] },
      'methods[1] must be a method such as GET, in capital letters (given: "get")',
    ],
    [
      'PUT',
      APP,
      { hosts: ['a.test'], split: [{ upstream: 'web', weight: '9' }] },
      'split[0].weight must be a whole number from 1 to 1000, or 0 beside when (given: "9")',
    ],
    ['PUT', APP, { ...TO, hosts: 'a' }, 'hosts must be a list of 1 to 256 host names (given: "a")'],
    ['PUT', APP, { ...TO, stick: { by: 'hash' } }, 'stick is for a split'],
    ['POST', BATCH, undefined, 'the body is missing; it must be a JSON object'],
    ['POST', BATCH, 7, 'the body must be a JSON object (given: 7)'],
    ['POST', BATCH, {}, 'operations is missing; it must be a list of 1 to 10000 entries'],
    [
      'POST',
      BATCH,
      { operations: [] },
      'operations must be a list of 1 to 10000 entries (given: an empty list)',
    ],
    [
      'POST',
      BATCH,
      { operations: [{ ...PUT, method: 'GET' }] },
      'operations[0].method must be one of "PUT", "PATCH", "DELETE", "POST" (given: "GET")',
    ],
    [
      'POST',
      BATCH,
      { operations: [{ ...PUT, ifMatch: -1 }] },
      'operations[0].ifMatch must be a revision, such as 42 or "42" (given: -1)',
    ],
    [
      'POST',
      BATCH,
      { operations: [{ ...PUT, when: 1 }] },
      'operations[0].when is not a known field; known are method, path, body, ifMatch',
    ],
    [
      'POST',
      BATCH,
      { operations: [PUT], dryRun: 'yes' },
      'dryRun must be true or false (given: "yes")',
    ],
  ]
  await call('PUT', WEB, {})
  for (const [method, path, body, detail] of cases) {
    const answer = await call(method, path, body)
    t.match(problem(answer), { status: 400, code: 'invalid' }, detail)
    t.equal(answer.body.detail, detail)
  }
  const long = await call('PUT', A, { ...HOST, port: 'x'.repeat(10_000) })
  t.ok(long.body.detail.length < 200, 'what was given is cut')
})

t.test('a body that is nested without end is refused', async (t) => {
  const { call, raw, api } = await testApi(t)
  await call('PUT', WEB, {})
  const headers = { authorization: `Bearer ${api.token}` }
  const [open, close] = ['{"a":'.repeat(100_000), '}'.repeat(100_000)]
  const deep = `{"policy":${open}1${close}}`
  for (const method of ['PATCH', 'PUT']) {
    const answer = await raw(WEB, { method, body: deep, headers })
    t.match(problem(answer), { status: 400, code: 'invalid' }, method)
    t.match(answer.body.detail, /nested deeper than 32/)
  }
})

t.test('what may be a secret is not repeated', async (t) => {
  const { call } = await testApi(t)
  const secret = 'secret\n'
  const header = { set: { Authorization: secret } }
  const refused = [
    await call('PUT', APP, { ...TO, requestHeaders: header }),
    await call('PUT', APP, { ...TO, headers: { authorization: secret } }),
    await call('PUT', '/v1/certificates/a', { certificate: secret, privateKey: secret }),
  ]
  for (const { status, body } of refused) {
    t.equal(status, 400)
    t.notMatch(JSON.stringify(body), /secret/, body.detail)
  }
})

t.test('each wrong query is named by parameter, with what it must be', async (t) => {
  const { call } = await testApi(t)
  const ip = 'address must be an IP address such as 203.0.113.7 or 2001:db8::7'
  const port = 'port must be a port from 1 to 65535'
  const cases: Array<[path: string, detail: string]> = [
    ['/v1/events?from=abc', 'from must be a revision, such as 42 (given: "abc")'],
    ['/v1/events?from=-1', 'from must be a revision, such as 42 (given: "-1")'],
    ['/v1/events?from=1&from=2', 'from is given 2 times; once is enough'],
    ['/v1/events?since=1', 'since is not a known query parameter; known are from'],
    ['/v1/routes?x=1', 'x is not a known query parameter; there are none'],
    ['/v1/explain?host=a&address=garbage', `${ip} (given: "garbage")`],
    ['/v1/explain?port=9100&address=10.0.0', `${ip} (given: "10.0.0")`],
    ['/v1/explain?port=0', `${port} (given: "0")`],
    ['/v1/explain?port=65536', `${port} (given: "65536")`],
    ['/v1/explain?port=x', `${port} (given: "x")`],
    ['/v1/explain?port=9&protocol=sctp', 'protocol must be one of "tcp", "udp" (given: "sctp")'],
    ['/v1/explain?host=', 'host must be a text of 1 to 300 characters (given: "")'],
    ['/v1/explain?host=a&protocol=udp', 'protocol is for connections; give port as well'],
    ['/v1/explain?host=a&method=a%20b', 'method must be a method such as GET (given: "a b")'],
    [
      '/v1/explain?host=a&header=a:1&header=b',
      'header must be a line such as X-Canary: always (given: "b")',
    ],
    ['/readyz?verbose=ja', 'verbose must be one of "true", "false", "" (given: "ja")'],
  ]
  for (const [path, detail] of cases) {
    const { status, body } = await call('GET', path)
    t.same({ status, detail: body.detail }, { status: 400, detail }, path)
  }
  for (const right of ['host=a&address=::1', 'port=65535', 'host=a&header=a:1&header=b:']) {
    t.equal((await call('GET', `/v1/explain?${right}`)).status, 200, right)
  }
})

t.test('the cause of a 500 stands in the log, and not in the answer', async (t) => {
  const lines: string[] = []
  const to = { write: (line: string) => lines.push(line) }
  const log = makeLogger({ part: 'controller', level: 'error', to })
  const { call, control } = await testApi(t, { log })
  Object.assign(control, {
    findings: () => {
      throw new TypeError('what went wrong')
    },
  })
  const answer = await call('GET', '/v1/status')
  t.match(problem(answer), { status: 500, code: 'internal' })
  t.notMatch(JSON.stringify(answer.body), /what went wrong/)
  t.match(JSON.parse(lines[0] ?? '{}'), {
    requestId: answer.body.requestId,
    route: '/v1/status',
    error: { message: 'what went wrong', stack: /words\.test/ },
  })
})
