/** The chi-square test, against tables. */
import t, { type Test } from 'tap'
import { chanceOf, chiSquare } from '../../../../bench/report/chi-square.js'

const near = (t: Test, found: number, wanted: number): void => {
  t.ok(Math.abs(found - wanted) < wanted * 1e-4, `${found} is near ${wanted}`)
}

t.test('what even counts deviate by is nothing', async (t) => {
  t.equal(chiSquare([10, 20, 50], [10, 20, 50]), 0)
  t.equal(chanceOf(0, 2), 1)
})

t.test('the statistic is the sum of squares over what was due', async (t) => {
  t.equal(chiSquare([12, 8], [10, 10]), 0.8)
})

t.test('chance is as printed tables have it, from one degree of freedom to 999', async (t) => {
  near(t, chanceOf(3.841459, 1), 0.05)
  near(t, chanceOf(5.991465, 2), 0.05)
  near(t, chanceOf(18.307038, 10), 0.05)
  near(t, chanceOf(23.209251, 10), 0.01)
  near(t, chanceOf(124.342113, 100), 0.05)
  near(t, chanceOf(2 * Math.log(4), 2), 0.25)
})

t.test('with many degrees half of all chances lie above the median', async (t) => {
  // The median is about k (1 - 2 / 9k)³.
  const degrees = 999
  const middle = degrees * (1 - 2 / (9 * degrees)) ** 3
  t.ok(Math.abs(chanceOf(middle, degrees) - 0.5) < 1e-3)
  t.ok(chanceOf(middle * 1.2, degrees) < 1e-4)
  t.ok(chanceOf(middle * 0.8, degrees) > 1 - 1e-4)
})
