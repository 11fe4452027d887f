/** The parts of the bench that count instructions still run: each once, as small as can be. */
import { readdirSync } from 'node:fs'
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

await testParts(t, 'counts')
