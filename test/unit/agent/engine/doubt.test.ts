/** When a listing without the containers that ran is not believed. */
import t from 'tap'
import { Doubt } from '../../../../agent/engine/doubt.js'
import { container } from '../container-fixture.js'

const [a, b] = [container({ id: 'a'.repeat(64) }), container({ id: 'b'.repeat(64) })]
const names = (held: { id: string }[]) => held.map(({ id }) => id.charAt(0)).join('')

t.test('of containers that are seen to run, none is given up', async (t) => {
  const doubt = new Doubt({ lives: () => true, holdMs: 0 })
  t.equal(names(doubt.held([a, b], () => false)), 'ab')
  t.equal(names(doubt.held([a], () => false)), 'a')
  t.equal(names(doubt.held([a, b], (id) => id === a.id)), '', 'one of several may have gone')
  t.equal(names(doubt.held([{ ...a, status: 'stopped' }], () => false)), '')
})

t.test('where processes are not seen, several at once are held for a while', async (t) => {
  const holding = new Doubt({ lives: () => false })
  t.equal(names(holding.held([a, b], () => false)), 'ab')
  t.equal(names(holding.held([a], () => false)), '', 'one alone may well have gone')
  const over = new Doubt({ lives: () => false, holdMs: 0 })
  t.equal(names(over.held([a, b], () => false)), '', 'what is said for long is believed')
})
