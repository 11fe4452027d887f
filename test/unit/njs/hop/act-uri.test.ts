// What a route makes of a path: the same as nginx's own normal form, at a cost that grows with the
// path alone.
import fc from 'fast-check'
import t from 'tap'
import { rewriteTarget } from '../../../../njs/hop/act-uri.js'

const afterPrefix = (target: string, prefix: string): string =>
  rewriteTarget(target, prefix, { replacePrefix: '/R' }).slice('/R'.length)

const parts = fc.array(fc.constantFrom('a', 'b', '.', '..', '', '%61', '%2e%2E', 'ab'), {
  minLength: 1,
  maxLength: 12,
})
const separator = fc.constantFrom('/', '/', '/', '%2f')

/** Where each cut of the path stands in nginx's normal form, the slow and plain way. */
function expected(path: string, prefix: string): number | undefined {
  const pieces = path.split(/(\/|%2f)/i)
  const stack: string[] = []
  let found: number | undefined
  let at = 0
  for (let i = 0; i < pieces.length; i++) {
    at += (pieces[i] ?? '').length
    if (i % 2 === 1 || i === 0) {
      continue
    }
    const part = decodeURIComponent(pieces[i] ?? '')
    if (part === '..') {
      stack.pop()
    } else if (part !== '' && part !== '.') {
      stack.push(part)
    }
    if (stack.length < prefix.split('/').length - 1) {
      found = undefined
    } else if (found === undefined && `/${stack.join('/')}` === prefix) {
      found = at
    }
  }
  return found
}

t.test('what stands behind the prefix is sent on byte for byte', async () => {
  fc.assert(
    fc.property(
      parts,
      fc.array(separator),
      fc.constantFrom('/a', '/a/b', '/ab'),
      (all, by, prefix) => {
        const path = all
          .map((part, i) => (i === 0 ? '/' : (by[i % by.length] ?? '/')) + part)
          .join('')
        const at = expected(path, prefix)
        let rest: string | undefined
        try {
          rest = afterPrefix(`${path}?q=/a/..`, prefix)
        } catch {
          // It is not under the prefix.
        }
        const wanted =
          at === undefined ? undefined : path.slice(at).replace(/^%2f/i, '/') + '?q=/a/..'
        if (rest !== wanted) {
          throw new Error(`${path} under ${prefix}: ${rest}, not ${wanted}`)
        }
      },
    ),
    { numRuns: 2000 },
  )
})

t.test('a path that comes to its prefix from deep below costs by its length', async (t) => {
  /** Characters that are put together on the way. */
  const joined = (bytes: number): number => {
    const depth = Math.floor(bytes / 5)
    const path = `${'/b'.repeat(depth)}${'/..'.repeat(depth)}/a/c`
    const { join } = Array.prototype
    let characters = 0
    Array.prototype.join = function (this: unknown[], by?: string) {
      const text = join.call(this, by)
      characters += text.length
      return text
    }
    try {
      t.equal(afterPrefix(path, '/a'), '/c')
    } finally {
      Array.prototype.join = join
    }
    return characters
  }
  t.ok(joined(8000) <= 8 * joined(1000) + 8000)
})
