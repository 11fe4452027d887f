/** Files that are either the old one or the new one. */
import { chmodSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { temporaryFolder } from '../../../lab/temp.js'
import {
  readIfThere,
  readIfThereSync,
  readOrMake,
  writeWhole,
  writeWholeSync,
} from '../../../runtime/whole-file.js'

const WRITERS = {
  writeWhole,
  writeWholeSync: async (...words: Parameters<typeof writeWholeSync>) => writeWholeSync(...words),
}

for (const [name, write] of Object.entries(WRITERS)) {
  t.test(`${name} replaces text and permissions, and leaves nothing beside the file`, async (t) => {
    const folder = temporaryFolder(t)
    const path = join(folder, 'file')
    writeFileSync(path, 'old', { mode: 0o600 })
    await write(path, 'new', 0o644)
    t.equal(readIfThereSync(path), 'new')
    t.equal(statSync(path).mode & 0o777, 0o644)
    t.same(readdirSync(folder), ['file'])
  })

  t.test(`${name} that fails leaves the old file, and nothing beside it`, async (t) => {
    const folder = temporaryFolder(t)
    writeFileSync(join(folder, 'taken'), 'old')
    await t.rejects(write(join(folder, 'taken', 'below'), 'new', 0o644), { code: 'ENOTDIR' })
    t.equal(await readIfThere(join(folder, 'taken')), 'old')
    t.same(readdirSync(folder), ['taken'])
  })
}

t.test('no file is no text, and any other failure is one', async (t) => {
  const folder = temporaryFolder(t)
  t.equal(await readIfThere(join(folder, 'none')), undefined)
  t.equal(readIfThereSync(join(folder, 'none')), undefined)
  chmodSync(folder, 0o700)
  await t.rejects(readIfThere(folder), { code: 'EISDIR' })
  t.throws(() => readIfThereSync(folder), { code: 'EISDIR' })
})

t.test('what is made once is made anew where a power cut left an empty file', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'file')
  const made = await Promise.all(
    ['a', 'b', 'c', 'd'].map((text) => readOrMake(path, 0o600, () => text)),
  )
  t.equal(new Set(made).size, 1, 'all end with the same text')
  t.equal(readIfThereSync(path), `${made[0]}\n`)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.equal(await readOrMake(path, 0o600, () => 'other'), made[0])
  writeFileSync(path, '')
  t.equal(await readOrMake(path, 0o600, () => 'other'), 'other')
  t.same(readdirSync(folder), ['file'])
})
