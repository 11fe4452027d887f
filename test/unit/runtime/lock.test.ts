/** Locks between processes. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { tryLock, withLock } from '../../../runtime/lock.js'
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

t.test('a lock whose owner was killed has one next owner', async (t) => {
  const path = join(temporaryFolder(t), 'lock')
  const killed = spawn(process.execPath, [
    ...['-e', `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log())`],
  ])
  await once(killed.stdout, 'data')
  t.notOk('release' in (await tryLock(path)), 'as long as it lives')
  killed.kill('SIGKILL')
  await once(killed, 'exit')
  const got = await Promise.all(Array.from({ length: 20 }, () => tryLock(path)))
  const [lock, ...more] = got.filter((each) => 'release' in each)
  t.equal(more.length, 0)
  t.same(lock?.wasHeld, true)
  t.same(
    got.filter((each) => 'pid' in each),
    Array.from({ length: 19 }, () => ({ pid: process.pid })),
  )
  await lock?.release()
})

t.test('what is left of a lock that was a folder is taken over', async (t) => {
  const path = join(temporaryFolder(t), 'lock')
  mkdirSync(path)
  t.equal(await withLock(path, silent, async () => 'in'), 'in')
})
