/** explain: what it says of a request. */
import t from 'tap'
import { askedBy, plainHost, plainPath } from '../../../../../controller/api/explain/question.js'

t.test('hosts as people type them', async (t) => {
  const hosts: Array<[typed: string, plain: string]> = [
    ['Web.Example.COM', 'web.example.com'],
    ['web.example.com.:8080', 'web.example.com'],
    ['web:', 'web'],
    ['[::1]:80', '[::1]'],
    [' web ', 'web'],
  ]
  for (const [typed, plain] of hosts) {
    t.equal(plainHost(typed), plain, typed)
  }
})

t.test('paths as nginx sees them', async (t) => {
  const paths: Array<[typed: string, plain: string]> = [
    ['', '/'],
    ['api', '/api'],
    ['/api/', '/api/'],
    ['//api///v1', '/api/v1'],
    ['/a/../b/./c', '/b/c'],
    ['/../..', '/'],
    ['/a/..', '/'],
    ['/a/b/..', '/a/'],
    ['/%61pi?x=/y', '/api'],
    ['/%zz', '/%zz'],
  ]
  for (const [typed, plain] of paths) {
    t.equal(plainPath(typed), plain, typed)
  }
})

t.test('what nginx calls the parts of a request', async (t) => {
  const { variables } = askedBy({
    host: 'a',
    path: '/x?V=1&v=2&e=#h=3',
    method: 'PUT',
    headers: ['X-Canary:  always ', 'nothing', 'x-canary: never'],
    cookie: 'A=b=c; d; a=2',
  })
  t.same(variables, {
    request_method: 'PUT',
    request_uri: '/x?V=1&v=2&e=#h=3',
    http_cookie: 'A=b=c; d; a=2',
    http_x_canary: 'always',
    cookie_a: 'b=c',
    arg_v: '1',
    arg_e: '',
  })
  t.match(askedBy({ host: 'a', path: '/', headers: ['Cookie: a=1'] }).variables, { cookie_a: '1' })
})
