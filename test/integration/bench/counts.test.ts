/** The parts of the bench that count instructions still run: each once, as small as can be. */
import { readFileSync, readdirSync } from 'node:fs'
import t from 'tap'
import { ROWS, smallParts, testParts } from '../../support/bench.js'

t.setTimeout(200_000)

t.test('each part of the bench is run by one of these files', async (t) => {
  const parts = await smallParts()
  const run = Object.values(ROWS).flatMap((rows) => Object.keys(rows))
  t.same(run.sort(), parts.map(({ name }) => name).sort())
  const files = readdirSync(new URL('.', import.meta.url))
  t.same(
    files.sort(),
    Object.keys(ROWS).map((name) => `${name}.test.ts`),
  )
})

t.test('the page of figures names parts that there are', async (t) => {
  const names = (await smallParts()).map(({ name }) => name)
  const page = readFileSync(new URL('../../../docs/figures.md', import.meta.url), 'utf8')
  // In brackets, alone or after a word of what was counted; or as what a command is to run.
  const named = /\((?:[^()`]*, )?`([a-z -]+)`|npm run bench -- (?!--)([a-z -]+)`/g
  const found = [...page.matchAll(named)].flatMap(([, one, other]) =>
    (one ?? other ?? '').split(' '),
  )
  t.ok(found.length > 15, 'the page is read')
  t.same(
    found.filter((name) => !names.includes(name)),
    [],
  )
})

await testParts(t, 'counts')
