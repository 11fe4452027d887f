/** Names from outside. */
import fc from 'fast-check'
import t from 'tap'
import type { Test } from 'tap'
import {
  isHostPattern,
  isInstanceId,
  isName,
  isPathPrefix,
  isWhole,
} from '../../../../contract/guard/names.js'

function holds(t: Test, check: (value: unknown) => boolean, good: unknown[], bad: unknown[]): void {
  good.forEach((value) => t.ok(check(value), JSON.stringify(value)))
  bad.forEach((value) => t.notOk(check(value), JSON.stringify(value)))
}

t.test('upstream names are DNS labels', async (t) => {
  holds(
    t,
    isName,
    ['web', 'a', 'api-2', '0', 'a'.repeat(63)],
    [
      '',
      'Web',
      '-a',
      'a-',
      'a_b',
      'a.b',
      'a'.repeat(64),
      'a b',
      'a\n',
      '__proto__',
      null,
      3,
      ['web'],
    ],
  )
})

t.test("instance ids are safe as a key's last part", async (t) => {
  holds(
    t,
    isInstanceId,
    ['a', 'host:web:80', 'A_b.c-d', 'x'.repeat(128), '...'],
    ['', '.', '..', 'a/b', 'a b', 'ä', 'x'.repeat(129), 'a\n', undefined],
  )
})

t.test('hosts are names, with a wildcard at one end', async (t) => {
  holds(
    t,
    isHostPattern,
    [
      ...['localhost', 'app.example.com', 'a_b.example', 'xn--bcher-kva.example'],
      ...['*.example.com', 'www.example.*', 'www.*', '*'],
    ],
    [
      '',
      '*.',
      '.*',
      '*.a.*',
      'a.*.b',
      '*a.b',
      'a.b*',
      '**',
      '*.*.a',
      'a..b',
      'a.',
      '.a',
      'A.b',
      'a:80',
      'a/b',
      'a b',
      '-a.b',
      'a;',
      'bücher.example',
      'a'.repeat(64),
    ],
  )
})

t.test("path prefixes are in nginx's normal form", async (t) => {
  holds(
    t,
    isPathPrefix,
    ['/', '/api', '/api/v1', '/a.b/~c', "/a'()*+,;=:@"],
    [
      '',
      'api',
      '/api/',
      '//',
      '/a//b',
      '/.',
      '/..',
      '/a/../b',
      '/a%2fb',
      '/a b',
      '/a"b',
      '/a{b}',
      '/a\n',
      '/' + 'a'.repeat(255),
    ],
  )
})

t.test('whole numbers keep within their limits', async (t) => {
  holds(t, (value) => isWhole(value, 1, 10), [1, 10], [0, 11, 1.5, NaN, Infinity, '1', null, true])
})

t.test('no name that passes has a character that nginx or a key could trip over', async (t) => {
  const dangerous = /[\s;{}"'$#\\/]/
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      return ![isName, isInstanceId, isHostPattern].some(
        (check) => check(text) && dangerous.test(text),
      )
    }),
  )
  t.pass()
})
