/** The verdict on a load. */
import t from 'tap'
import { judge } from '../../../../lab/load/ledger.js'
import type { BackendLine, ClientLine, ClosedWindow } from '../../../../lab/load/ledger.js'
import { wronglyShown } from '../../../../lab/load/certificates.js'

const sent = (id: string, more: Partial<ClientLine> = {}): ClientLine => ({
  id,
  method: 'GET',
  asked: 'web',
  status: 200,
  upstream: 'web',
  instance: 'a',
  echoedId: id,
  intact: true,
  startMs: 10,
  endMs: 20,
  error: '',
  shown: '',
  ...more,
})
const got = (id: string, more: Partial<BackendLine> = {}): BackendLine => ({
  id,
  method: 'GET',
  upstream: 'web',
  instance: 'a',
  atMs: 15,
  ...more,
})
const verdict = (client: ClientLine[], backends: BackendLine[], windows: ClosedWindow[] = []) =>
  judge({ client, backends, windows, least: { requests: 0, perSecond: 0 } })

t.test('a run in which all went well is clean', async (t) => {
  const { lost, misrouted, afterDrain, duplicated, disagreed, tooSmall } = verdict(
    [sent('1'), sent('2', { method: 'POST' })],
    [got('1'), got('2', { method: 'POST' })],
  )
  t.same([lost, misrouted, afterDrain, duplicated, disagreed], [[], [], [], [], []])
  t.equal(tooSmall, undefined)
})

t.test('what went wrong is found', async (t) => {
  t.equal(verdict([sent('1', { status: 0 })], []).lost.length, 1, 'a transport error')
  t.equal(verdict([sent('1', { status: 503 })], []).lost.length, 1, 'an error of the gateway')
  const misrouted: Partial<ClientLine>[] = [
    { upstream: 'api' },
    { echoedId: '2' },
    { intact: false },
  ]
  for (const wrong of misrouted) {
    t.equal(verdict([sent('1', wrong)], [got('1')]).misrouted.length, 1)
  }
  const twice = [got('1', { method: 'POST' }), got('1', { method: 'POST', instance: 'b' })]
  t.same(verdict([sent('1', { method: 'POST' })], twice).duplicated, ['1'])
  t.same(verdict([sent('1')], [got('1'), got('1', { instance: 'b' })]).duplicated, [], 'a GET may')
  t.same(verdict([sent('1')], []).disagreed, ['1'], 'answered by one who never got it')
  t.same(verdict([], [got('1')]).disagreed, ['1'], 'got by a backend and never sent')
})

t.test(
  'after a drain means begun after its answer and received before the instance came back',
  async (t) => {
    const count = (startMs: number, atMs: number, window: Omit<ClosedWindow, 'instance'>): number =>
      verdict([sent('1', { startMs })], [got('1', { atMs })], [{ instance: 'a', ...window }])
        .afterDrain.length
    t.equal(count(10, 15, { fromMs: 9 }), 1)
    t.equal(count(10, 15, { fromMs: 11 }), 0, 'begun before the answer')
    t.equal(count(10, 15, { fromMs: 5, untilMs: 8 }), 0, 'after it came back')
    t.equal(count(10, 15, { fromMs: 5, untilMs: 12 }), 0, 'received after the call that reopens')
    t.equal(count(10, 15, { fromMs: 5, untilMs: 16 }), 1)
  },
)

t.test('a load too small says so', async (t) => {
  const least = { requests: 100, perSecond: 50 }
  const few = judge({ client: [sent('1')], backends: [got('1')], windows: [], least })
  t.match(few.tooSmall, /only 1 requests/)
  const slow = Array.from({ length: 100 }, (_, n) =>
    sent(String(n), { startMs: n * 100, endMs: n * 100 + 5 }),
  )
  t.match(judge({ client: slow, backends: [], windows: [], least }).tooSmall, /requests\/s/)
})

t.test('a certificate may be shown from its call on, until the next one is answered', async (t) => {
  const own = [
    { fingerprint: undefined, fromMs: 0, untilMs: 12 },
    { fingerprint: 'old', fromMs: 10, untilMs: 32 },
    { fingerprint: 'new', fromMs: 30 },
  ]
  const wildcard = [{ fingerprint: 'any', fromMs: 0 }]
  const wrong = (shown: string, startMs: number, endMs: number) =>
    wronglyShown([sent('1', { shown, startMs, endMs })], () => [own, wildcard]).length
  t.equal(wrong('any', 5, 8), 0, 'there is none of its own')
  t.equal(wrong('old', 5, 8), 1, 'too early')
  t.equal(wrong('any', 11, 13) + wrong('old', 11, 13), 0, 'either while it changes')
  t.equal(wrong('any', 13, 20), 1, 'it has one of its own')
  t.equal(wrong('old', 31, 40) + wrong('new', 31, 40), 0)
  t.equal(wrong('old', 33, 40), 1, 'renewed')
  t.equal(wrong('other', 11, 40), 1, 'a foreign one')
  t.equal(wrong('', 11, 40), 0, 'a handshake that failed is lost already')
})
