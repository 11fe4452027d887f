/** In which order the calls of one queue get their turn. */
import t from 'tap'
import { Turns } from '../../../../../controller/api/change/turns.js'

/** Takes its turn for each, in this order, and answers the order in which they began. */
async function orderOf(works: Array<[name: string, about: string[]]>): Promise<string[]> {
  const turns = new Turns()
  const begun: string[] = []
  const taken = works.map(([name, about]) =>
    turns.take('routes', new Set(about), async () => {
      begun.push(name)
      await Promise.resolve()
      if (name === 'failing') {
        throw new Error('it failed')
      }
    }),
  )
  await Promise.allSettled(taken)
  return begun
}

const many = (mark: string): string[] => Array.from({ length: 1000 }, (_, i) => `${mark}${i}`)

t.test('a small one passes large ones that wait, but none about the same', async (t) => {
  const order = await orderOf([
    ['large 1', many('a')],
    ['large 2', many('b')],
    ['large 3', many('c')],
    ['about b', ['b7']],
    ['small', ['x']],
    ['small again', ['x']],
  ])
  t.same(order, ['large 1', 'small', 'small again', 'large 2', 'about b', 'large 3'])
})

t.test('large ones keep their order, and what fails holds up nobody', async (t) => {
  const order = await orderOf([
    ['failing', ['y']],
    ['large 1', many('a')],
    ['large 2', many('b')],
  ])
  t.same(order, ['failing', 'large 1', 'large 2'])
})

t.test('a large one gets its turn, however many small ones come', async (t) => {
  const small = Array.from({ length: 500 }, (_, i): [string, string[]] => [`s${i}`, [`s${i}`]])
  const order = await orderOf([['first', ['y']], ['large', many('a')], ...small])
  t.equal(order.indexOf('large'), 101)
  t.equal(order.length, 502)
})
