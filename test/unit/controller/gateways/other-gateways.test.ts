import t from 'tap'
import { parseGateway } from '../../../../controller/gateways/other-gateways.js'

const record = {
  applied: 3,
  connected: true,
  workers: 2,
  nginx: '1.30.6',
  njs: '1.0.2',
  active: {},
}
const conditions = { 'web/a': { state: 'down', reason: 'ejected' } }

t.test('records of other gateways', async (t) => {
  t.same(parseGateway(JSON.stringify({ ...record, conditions })), { ...record, conditions })
  const full = { ...record, conditions, reason: 'full', code: 'table_full' }
  t.same(parseGateway(JSON.stringify(full)), full)
  t.same(parseGateway(JSON.stringify({ ...full, reason: 7, code: 'x' })), { ...record, conditions })
  t.same(parseGateway(JSON.stringify(record)), { ...record, conditions: {} }, 'as of before')
  const bad = [
    [],
    7,
    'x',
    { 'web/a': null },
    { 'web/a': { state: 'away', reason: '' } },
    { 'web/a': { state: 'up' } },
  ]
  bad.forEach((each) =>
    t.equal(parseGateway(JSON.stringify({ ...record, conditions: each })), undefined),
  )
  ;['', '7', 'null', '{}', '[]'].forEach((text) => t.equal(parseGateway(text), undefined))
})
