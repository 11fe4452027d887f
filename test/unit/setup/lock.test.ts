import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { withLock } from '../../../setup/lock.js'
import { temporaryFolder } from '../../../lab/temp.js'

const silent = (): void => undefined

t.test('one at a time, and all in the end', async (t) => {
  const lock = join(temporaryFolder(t), 'lock')
  let inside = 0
  const order = await Promise.all(
    [1, 2, 3].map((number) =>
      withLock(lock, silent, async () => {
        inside += 1
        t.equal(inside, 1)
        await sleep(20)
        inside -= 1
        return number
      }),
    ),
  )
  t.same(order, [1, 2, 3])
})

t.test('a failure lets the next one in', async (t) => {
  const lock = join(temporaryFolder(t), 'lock')
  await t.rejects(withLock(lock, silent, () => Promise.reject(new Error('no'))))
  t.equal(await withLock(lock, silent, async () => 'in'), 'in')
})

t.test('a lock whose owner is dead is taken over', async (t) => {
  const lock = join(temporaryFolder(t), 'lock')
  mkdirSync(lock)
  // Beyond the largest number a process can have.
  writeFileSync(join(lock, 'pid'), '4194305')
  t.equal(await withLock(lock, silent, async () => 'in'), 'in')
})

t.test('a lock that never got an owner is taken over', async (t) => {
  const lock = join(temporaryFolder(t), 'lock')
  mkdirSync(lock)
  t.equal(await withLock(lock, silent, async () => 'in'), 'in')
})
