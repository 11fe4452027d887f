/** What the admin endpoint takes. */
import fc from 'fast-check'
import t from 'tap'
import type { Guarded } from '../../../contract/guard/guarded.js'
import {
  parseActive,
  parseAnswers,
  parseClaim,
  parseDelta,
  parseRead,
  parseSweep,
} from '../../../contract/push-guard.js'
import {
  areOperations,
  indexBucket,
  isTableKey,
  isTableValue,
  parsePeer,
  parseState,
  printPeer,
  printState,
  shareCell,
} from '../../../contract/table/table.js'
import { INDEX_BUCKETS, MOST_VALUE_BYTES, SHARES } from '../../../contract/table/limits.js'

const SID = 'a'.repeat(32)
const delta = { epoch: 5, from: 1, to: 2, whole: false, operations: [[':web/3', SID]] }

/** As the admin endpoint does it with a body. */
function checkedDelta(value: unknown, space?: number): Guarded<unknown> {
  return parseDelta(value, JSON.stringify(value, null, space))
}

function fieldOf(checked: Guarded<unknown>): string | null {
  return checked.ok ? null : checked.field
}

t.test('a delta is checked whole before any of it counts', async (t) => {
  t.ok(checkedDelta(delta).ok)
  t.ok(checkedDelta({ ...delta, operations: [[':web', null]] }).ok)
  t.ok(checkedDelta(delta, 1).ok, 'printed in another way')
  t.equal(fieldOf(checkedDelta({ ...delta, to: 0 }, 1)), 'to')
  const cases: Array<[unknown, string]> = [
    [7, ''],
    [{ ...delta, extra: 1 }, 'extra'],
    [{ ...delta, whole: undefined }, 'whole'],
    [{ ...delta, epoch: '5' }, 'epoch'],
    [{ ...delta, from: -1 }, 'from'],
    [{ ...delta, to: 0 }, 'to'],
    [{ ...delta, whole: 1 }, 'whole'],
    [{ ...delta, operations: {} }, 'operations'],
    [{ ...delta, operations: new Array(1001).fill([':web', 'x']) }, 'operations'],
    [{ ...delta, operations: [[':web', 'x'], 'x'] }, 'operations[1]'],
    [{ ...delta, operations: [['__proto__', 'x']] }, 'operations[0][0]'],
    [{ ...delta, operations: [['!', '9 9 1']] }, 'operations[0][0]'],
    [{ ...delta, operations: [[':web/3', 'not a sid']] }, 'operations[0][1]'],
    [{ ...delta, operations: [[':web', 7]] }, 'operations[0][1]'],
    [{ ...delta, operations: [[':web', 'ü']] }, 'operations[0][1]'],
    [{ ...delta, operations: [[':web', 'x'.repeat(40000)]] }, 'operations[0][1]'],
  ]
  cases.forEach(([body, field]) =>
    t.equal(fieldOf(checkedDelta(body)), field, JSON.stringify(body).slice(0, 90)),
  )
  t.equal(fieldOf(checkedDelta({ epoch: 5, from: 1, to: 2, whole: false })), 'operations')
})

t.test('claims, reads and counts are judged field by field', async (t) => {
  t.ok(parseClaim({ epoch: 1, expect: 0 }).ok)
  t.equal(fieldOf(parseClaim({ epoch: 0, expect: 0 })), 'epoch')
  t.equal(fieldOf(parseClaim({ epoch: 1, expect: 'x' })), 'expect')
  t.ok(parseRead({ keys: [':web', '#0', '@a.b/3/7'] }).ok)
  t.equal(fieldOf(parseRead({ keys: ['nope'] })), 'keys')
  t.ok(parseActive({ sids: [SID], pids: [1] }).ok)
  t.equal(fieldOf(parseActive({ sids: ['x'], pids: [] })), 'sids')
  t.equal(fieldOf(parseActive({ sids: [], pids: ['1'] })), 'pids')
  t.ok(parseAnswers({ sids: [SID] }).ok)
  t.equal(fieldOf(parseAnswers({ sids: [7] })), 'sids')
  t.equal(fieldOf(parseAnswers({ sids: new Array(1001).fill(SID) })), 'sids')
  t.ok(parseSweep({ pids: [1, 2] }).ok)
  t.equal(fieldOf(parseSweep({ pids: [-1] })), 'pids')
  t.equal(fieldOf(parseSweep({ pids: [1], sids: [] })), 'sids')
})

t.test('keys and values of the table', async (t) => {
  const keys = [
    '#0',
    '#255',
    ':web',
    ':web#0',
    ':web/49',
    ':web/0/999',
    '@a.example',
    '@*.example',
    '@*',
    '@a.example/#16/3',
    '~canary',
    '~canary/3',
  ]
  keys.forEach((key) => t.ok(isTableKey(key), key))
  const bad = [
    '',
    '!',
    'web',
    ':',
    ':Web',
    ':web/',
    ':web/x',
    ':web/100',
    ':web/1/2/3',
    ':web/#1/2',
    '@a/#1',
    '@a/#/1',
    '#',
    '#x',
    ':we b',
    '@a\n',
    3,
  ]
  bad.forEach((key) => t.notOk(isTableKey(key), JSON.stringify(key)))
  t.ok(isTableValue('@a.example/#16/3', '\n/ :web\thttp_x=1\n'))
  t.ok(isTableValue(':web/1', SID))
  t.ok(isTableValue(':web/1', '*500' + SID + '999' + SID))
  t.ok(isTableValue(':web/1', '#20'))
  t.notOk(isTableValue(':web/1', SID + SID))
  t.ok(isTableValue('@a.example/1', SID + '=web=3f2c9a:web:80'))
  t.notOk(isTableValue(':web/1', SID + '=web=a'), 'only of a host')
  t.notOk(isTableValue('@a.example/1', SID + '=web=a b'))
  t.notOk(isTableValue('@a.example/1', SID + '=we.b=a'))
  t.notOk(isTableValue(':web', ''))
  const pem = '01234567 \n-----BEGIN CERTIFICATE-----\nMIIB+/=\n-----END CERTIFICATE-----\n'
  t.ok(isTableValue('^*.example.com', pem))
  t.ok(isTableValue('^=gateway', pem))
  t.notOk(isTableValue('^*.example.com', pem.slice(1)))
  t.notOk(isTableValue('^*.example.com', pem + '"'))
})

t.test('a list is right when each of it is, whatever stands in it', async (t) => {
  const end = fc.constantFrom('', '"', '],[', '","', '\\', '\r', '\n', '\u2028', '/1', '#0', 'a')
  const key = fc.constantFrom(
    ':web',
    ':web/1',
    ':web#0',
    ':web$a:b',
    '@*.a.b/3/7',
    '~c',
    '#9',
    '!',
    7,
  )
  const value = fc.constantFrom(null, SID, `*499${SID}999${SID}`, '#20', '01234567 1', '', 5, [SID])
  const orMore = <T>(what: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
    fc.oneof(
      what,
      fc.tuple(what, end).map(([text, more]) => (more ? `${String(text)}${more}` : text)),
    )
  const operation = fc.oneof(fc.tuple(orMore(key), orMore(value)), fc.anything())
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 6 }), (operations) => {
      const list: unknown = JSON.parse(JSON.stringify(operations) ?? '[]')
      if (!Array.isArray(list)) {
        return
      }
      const singly = list.map((each: unknown) =>
        fieldOf(checkedDelta({ ...delta, operations: [each] })),
      )
      const first = singly.findIndex((field) => field !== null)
      const field = first < 0 ? null : singly[first]?.replace('[0]', `[${first}]`)
      t.equal(fieldOf(checkedDelta({ ...delta, operations: list })), field)
      t.equal(areOperations(list), first < 0)
    }),
    { numRuns: 2000 },
  )
})

t.test('a value is refused for its length alone', async (t) => {
  const most = 'x'.repeat(MOST_VALUE_BYTES)
  t.ok(
    areOperations([
      [':web', most],
      [':web/1', null],
    ]),
  )
  t.notOk(
    areOperations([
      [':web', most],
      [':web', most + 'x'],
    ]),
  )
  t.ok(isTableValue(':web', '\n'.repeat(MOST_VALUE_BYTES)), 'whose JSON is longer')
  t.ok(isTableValue(':web', 'say "a\\b"'))
  for (const bad of ['\v', '\u007f', '\ud800', 'a\0']) {
    t.notOk(isTableValue(':web', bad))
  }
})

t.test('records are read back as they were written', async (t) => {
  const peer = {
    sid: SID,
    address: '[fd00::7]:80',
    id: 'a:b',
    up: false,
    ejected: false,
    pooled: true,
    seat: '',
    token: '',
  }
  t.same(parsePeer(printPeer(peer)), peer)
  const ejected = { ...peer, ejected: true }
  t.same(parsePeer(printPeer(ejected)), ejected)
  const named = { ...peer, token: '0123456789abcdef' }
  t.same(parsePeer(printPeer(named)), named)
  t.same(parseState(printState({ epoch: 7, revision: 9, whole: true })), {
    epoch: 7,
    revision: 9,
    whole: true,
  })
  t.same(parseState(undefined), { epoch: 0, revision: 0, whole: false })
})

t.test('buckets and cells stay in range and are spread', async (t) => {
  const used = new Set(Array.from({ length: 5000 }, (_, i) => indexBucket(':upstream-' + i)))
  t.ok(used.size > INDEX_BUCKETS * 0.9, `${used.size} buckets used`)
  t.equal(shareCell(0, 20), 0)
  t.equal(shareCell(SHARES - 1, 20), 19)
})
