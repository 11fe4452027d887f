/** The loop of what works in rounds. */
import t from 'tap'
import { until } from '../../../lab/until.js'
import { Loop } from '../../../runtime/loop.js'

const RETRY = { firstMs: 1, mostMs: 4 }
const EVER_MS = 3_600_000

t.test('a round that fails is reported, and the next one follows', async (t) => {
  const errors: unknown[] = []
  let rounds = 0
  const loop = new Loop({
    retry: RETRY,
    onError: (error) => errors.push(error),
    round: async ({ bell }) => {
      rounds++
      if (rounds <= 2) {
        throw new Error(`round ${rounds}`)
      }
      await bell.wait(EVER_MS)
    },
  })
  loop.start()
  loop.start()
  await until(() => rounds === 3)
  t.match(errors, [{ message: 'round 1' }, { message: 'round 2' }])
  await loop.close()
  t.equal(rounds, 3, 'the end is no round')
})

t.test('close waits for the round under way, and begins no other', async (t) => {
  const seen: string[] = []
  const loop = new Loop({
    retry: RETRY,
    onError: () => undefined,
    round: async ({ bell }) => {
      await bell.wait(EVER_MS)
      await Promise.resolve()
      seen.push('ended')
    },
  })
  loop.start()
  await loop.close()
  t.same(seen, ['ended'])
  t.ok(loop.isClosed)
})

t.test('one that never started closes at once', async (t) => {
  let rounds = 0
  const loop = new Loop({
    retry: RETRY,
    onError: () => undefined,
    round: () => Promise.resolve(void rounds++),
  })
  await loop.close()
  t.equal(rounds, 0)
})
