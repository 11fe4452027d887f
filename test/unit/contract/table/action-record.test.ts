/** A route that acts, as the table has it. */
import t from 'tap'
import { actionOf } from '../../../../contract/record/route-action.js'
import { guardRoute } from '../../../../contract/record/route.js'
import { parseActionRecord, printActionRecord } from '../../../../contract/table/action-record.js'
import { areOperations, isTableKey } from '../../../../contract/table/table.js'

t.test('the largest record fits the table, and comes back as it was', async (t) => {
  const checked = guardRoute({
    hosts: ['a.example'],
    pathPrefix: `/${'p'.repeat(254)}`,
    upstream: 'u'.repeat(63),
    maintenance: { body: `ü\n"\\\u2028${'x'.repeat(16_000)}` },
  })
  if (!checked.ok) {
    throw new Error(checked.message)
  }
  const action = actionOf(checked.value)
  if (action === undefined) {
    throw new Error('no action')
  }
  const record = { target: `:${'u'.repeat(63)}`, prefix: checked.value.pathPrefix, action }
  const text = printActionRecord(record)
  t.ok(isTableKey('&a-route'))
  t.notOk(isTableKey('&a-route/7'))
  t.ok(areOperations([['&a-route', `0123abcd ${text}`]]))
  t.same(parseActionRecord(text), record)
})
