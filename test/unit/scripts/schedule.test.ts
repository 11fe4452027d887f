/** In which order the jobs of `npm test` run, and how many at once. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { repository } from '../../../lab/tools.js'

interface Job {
  run: () => Promise<void>
  needs?: Promise<unknown>[]
  share: number
}

const { runJobs } = (await import(
  pathToFileURL(join(repository, 'scripts/schedule.mjs')).href
)) as { runJobs: (jobs: Job[], room: number) => Promise<void> }

/** Jobs that end when they are told to; `running`: their names, in the order of their start. */
function stage() {
  const running: string[] = []
  const ends = new Map<string, () => void>()
  const job = (name: string, share: number, ...needs: Promise<unknown>[]): Job => {
    const run = () => {
      running.push(name)
      return new Promise<void>((resolve) => {
        ends.set(name, () => {
          running.splice(running.indexOf(name), 1)
          resolve()
        })
      })
    }
    return { run, needs, share }
  }
  const end = async (name: string): Promise<void> => {
    ends.get(name)?.()
    await settled()
  }
  return { running, job, end }
}

/** All that follows from what is resolved already has happened. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

t.test('as many run as there is room for, in their order', async (t) => {
  const { running, job, end } = stage()
  const done = runJobs([job('a', 2), job('b', 2), job('large', 3), job('c', 2)], 6)
  t.same(running, ['a', 'b'], 'a large one is not overtaken by a small one')
  await end('a')
  t.same(running, ['b', 'large'])
  await end('b')
  t.same(running, ['large', 'c'])
  await end('large')
  await end('c')
  await done
})

t.test('what still lacks something is overtaken, and starts once it is there', async (t) => {
  const { running, job, end } = stage()
  let fetched = (): void => undefined
  const tools = new Promise<void>((resolve) => (fetched = resolve))
  const done = runJobs([job('waits', 2, tools), job('a', 2), job('b', 2)], 4)
  t.same(running, ['a', 'b'])
  await end('a')
  fetched()
  await settled()
  t.same(running, ['b', 'waits'])
  await end('b')
  await end('waits')
  await done
})

t.test('without jobs it is over at once', async () => {
  await runJobs([], 6)
})
