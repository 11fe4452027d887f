import t from 'tap'
import { plainHost, plainPath } from '../../../controller/api/explain.js'

t.test('hosts as people type them', async (t) => {
  const hosts: Array<[typed: string, plain: string]> = [
    ['Web.Example.COM', 'web.example.com'],
    ['web.example.com.:8080', 'web.example.com'],
    ['web:', 'web'],
    ['[::1]:80', '[::1]'],
    [' web ', 'web'],
  ]
  for (const [typed, plain] of hosts) t.equal(plainHost(typed), plain, typed)
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
  for (const [typed, plain] of paths) t.equal(plainPath(typed), plain, typed)
})
