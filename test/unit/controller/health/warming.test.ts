/** Slow start. */
import t from 'tap'
import { Warming } from '../../../../controller/health/warming.js'

function started(slowStartMs = 9000): Warming {
  const warming = new Warming()
  warming.follow(slowStartMs)
  return warming
}

t.test('from 10 % to all, in steps', async (t) => {
  const warming = started()
  warming.begin('b', 1000)
  const shares = [0, 999, 1000, 4000, 8999].map((ms) =>
    warming.look(['a', 'b'], 1000 + ms).get('b'),
  )
  t.same(shares, [0.1, 0.1, 0.2, 0.5, 0.9])
  t.equal(warming.nextAtMs(1000), 2000)
  t.equal(warming.nextAtMs(2500), 3000)
  t.equal(warming.look(['a', 'b'], 10_000).size, 0)
  t.equal(warming.nextAtMs(10_000), undefined)
})

t.test('where all are new, shares are relative to the oldest', async (t) => {
  const warming = started()
  warming.begin('a', 0)
  warming.begin('b', 0)
  t.equal(warming.look(['a', 'b'], 0).size, 0)
  warming.begin('c', 4000)
  t.same([...warming.look(['a', 'b', 'c'], 4000)], [['c', 0.2]])
  warming.forget('a')
  warming.forget('b')
  t.equal(warming.look(['c'], 5000).size, 0, 'alone')
  t.equal(warming.look([], 5000).size, 0)
})

t.test('without slow start nobody warms up', async (t) => {
  const warming = started(0)
  warming.begin('b', 0)
  t.equal(warming.look(['a', 'b'], 0).size, 0)
  const changed = started()
  changed.begin('b', 0)
  changed.follow(0)
  t.equal(changed.look(['a', 'b'], 0).size, 0)
  t.equal(changed.nextAtMs(0), undefined)
})
