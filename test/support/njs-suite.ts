/**
 * What the pure parts of njs/ do over a dict, as a function that runs in Node and, bundled, in both
 * engines over nginx's own dicts. Written in the dialect of njs. Answers a line for each thing that
 * is not as it should be.
 */
import { printPeer, printState } from '../../contract/table/table.js'
import { countActive, dropDead, enter, leave } from '../../njs/memory/active-counts.js'
import { applyClaim, applyDelta, readState } from '../../njs/admin/apply.js'
import { choose } from '../../njs/choose/choice.js'
import type { Dict, NumberDict } from '../../njs/memory/dict.js'
import type { FrontRequest } from '../../njs/front/request.js'
import { pickSlowly } from '../../njs/front/pick-slowly.lazy.js'
import { drawSid, findUnit } from '../../njs/table/lookup.js'
import { findPeer, upstreamsOf } from '../../njs/table/peers.js'
import { plan } from '../../njs/hop/hop-plan.js'
import { parsePick } from '../../njs/hop/picked.js'
import { refusalPage } from '../../njs/hop/refusal.js'
import { askedName } from '../../njs/table/peer-name.js'
import { unlockWrites, lockWrites } from '../../njs/memory/write-lock.js'

export interface SuiteDicts {
  table: Dict
  numbers: NumberDict
}

const A = 'a'.repeat(32)
const B = 'b'.repeat(32)
const C = 'c'.repeat(32)

function peer(sid: string, id: string, up: boolean, pooled: boolean): string {
  return printPeer({
    sid: sid,
    address: '10.0.0.1:80',
    id: id,
    up: up,
    ejected: false,
    pooled: pooled,
    seat: '',
    token: '',
  })
}

export function runSuite(dicts: SuiteDicts): string[] {
  const wrong: string[] = []
  const table = dicts.table
  const numbers = dicts.numbers
  function is(what: string, found: unknown, wanted: unknown): void {
    const one = JSON.stringify(found)
    const other = JSON.stringify(wanted)
    if (one !== other) {
      wrong.push(what + ': ' + one + ' and not ' + other)
    }
  }
  function asked(uri: string, share: number): FrontRequest {
    return {
      uri: uri,
      method: 'GET',
      variables: { sluice_share: String(share) },
      rawVariables: {},
      headersOut: {},
    }
  }

  // dicts
  is('a miss', table.get('none') === undefined, true)
  table.set('x', '1')
  table.set('x', '2')
  is('set', table.get('x'), '2')
  table.delete('x')
  table.delete('x')
  is('delete', table.get('x') === undefined, true)
  is('incr', [numbers.incr('n', 1), numbers.incr('n', 1), numbers.incr('n', -2)], [1, 2, 0])
  is('add', [numbers.add('m', 5), numbers.add('m', 6), numbers.get('m')], [true, false, 5])
  is('keys', numbers.keys(-1).sort(), ['m', 'n'])
  numbers.delete('n')
  numbers.delete('m')
  is('no keys', numbers.keys(-1), [])

  // writes
  is('state of nothing', readState(table), { epoch: 0, revision: 0, whole: false })
  is('claim', applyClaim(table, { epoch: 2, expect: 0 }).ok, true)
  is('claimed', readState(table), { epoch: 2, revision: 0, whole: false })
  const late = applyClaim(table, { epoch: 3, expect: 0 })
  is('late claim', late.ok ? '' : late.code, 'stale_epoch')
  const entries: Array<[string, string]> = [
    [':web', '01234567 2'],
    [':web/0', A],
    [':web/1', '*499' + A + '999' + B],
    [':web/2', '#2'],
    [':web/2/0', A],
    [':web/2/1', B],
    [':web#0', peer(A, 'ia', true, true)],
    [':web#1', peer(B, 'ib', true, false) + '\n' + peer(C, 'ic', false, true)],
    [':down', '01234567 1'],
    ['~split', '01234567 :down :web'],
    ['@web.test', '01234567 / :web'],
    ['@web.test/0', A],
    ['@p.test', '01234567 /api/v2 :web\n/api ~split'],
    ['@*.wild.test', '01234567 / :web'],
    ['@gone.test', '01234567 / :gone'],
    ['@tail.*', '01234567 / :web'],
    ['@tail.a.*', '01234567 /a :web'],
    [
      '@c.test',
      '01234567 /a :posts\trequest_method=POST PUT\n/a :both\thttp_x_v=a b\tcookie_on\n/ :arg\targ_v=2\n/ :web',
    ],
    // The hashes of /a/b and /a/bc modulo 4 are 3, and that of /a is 1.
    ['@many.test', '01234567 * 4 2 1 0'],
    ['@many.test/#4/0', '\n/ :root\n'],
    ['@many.test/#4/1', '\n/a :a\thttp_x_v\n'],
    ['@many.test/#4/2', '\n'],
    ['@many.test/#4/3', '\n/a/bc :no\n/a/b :ab\thttp_x_v=1\n/a/b :ab2\tcookie_on\n'],
  ]
  // A, B and C are in bucket 0 or 1 by their first six digits.
  const buckets: { [sid: string]: number } = {}
  ;[A, B, C].forEach((sid) => {
    buckets[sid] = parseInt(sid.slice(0, 6), 16) % 2
  })
  entries[6] = [':web#' + buckets[A], peer(A, 'ia', true, true)]
  entries[7] = [
    ':web#' + (1 - (buckets[A] as number)),
    peer(B, 'ib', true, false) + '\n' + peer(C, 'ic', false, true),
  ]
  const delta = { epoch: 2, from: 0, to: 7, whole: true, operations: entries }
  is('delta', applyDelta(table, delta, false), {
    ok: true,
    state: { epoch: 2, revision: 7, whole: true },
  })
  is('applied', readState(table), { epoch: 2, revision: 7, whole: true })
  const gap = applyDelta(table, delta, false)
  is('again', gap.ok ? '' : gap.code, 'revision_gap')
  const stale = applyDelta(table, Object.assign({}, delta, { epoch: 1, from: 7 }), false)
  is('stale', stale.ok ? '' : stale.code, 'stale_epoch')

  // lookup
  is('unit by name', findUnit(table, ':web/3', asked('/', 0)), ':web')
  is('unit by host', findUnit(table, '@web.test/3', asked('/x', 0)), ':web')
  is('longest path', findUnit(table, '@p.test/3', asked('/api/v2/x', 0)), ':web')
  is('whole segments', findUnit(table, '@p.test/3', asked('/api/v22', 0)), '~split')
  is('no path', findUnit(table, '@p.test/3', asked('/apix', 0)), '')
  is('wildcard', findUnit(table, '@a.b.wild.test/3', asked('/', 0)), ':web')
  is('not its own wildcard', findUnit(table, '@wild.test/3', asked('/', 0)), '')
  is('no host', findUnit(table, '@no.test/3', asked('/', 0)), '')
  const unitOf = (key: string, uri: string, variables: { [name: string]: string }): string =>
    findUnit(table, key + '/3', { uri: uri, variables: variables })
  is('wildcard behind', unitOf('@tail.b.c', '/', {}), ':web')
  is('the longest of them', unitOf('@tail.a.b', '/', {}), '')
  is('not its own', unitOf('@tail', '/', {}), '')
  is('by method', unitOf('@c.test', '/a', { request_method: 'PUT' }), ':posts')
  is('by two', unitOf('@c.test', '/a/x', { http_x_v: 'a b', cookie_on: '0' }), ':both')
  is('both must hold', unitOf('@c.test', '/a', { http_x_v: 'a b', cookie_on: '' }), ':web')
  is('a shorter path', unitOf('@c.test', '/a', { request_method: 'PU', arg_v: '2' }), ':arg')
  is('in a chunk', unitOf('@many.test', '/a/b/c', { http_x_v: '1', cookie_on: '1' }), ':ab')
  is('its next line', unitOf('@many.test', '/a/b', { http_x_v: '2', cookie_on: '1' }), ':ab2')
  is('a shorter one in another', unitOf('@many.test', '/a/b', { http_x_v: '2' }), ':a')
  is('the root', unitOf('@many.test', '/a/b', {}), ':root')
  is('whole segments of it', unitOf('@many.test', '/a/bcd', { http_x_v: '2' }), ':a')
  table.set('@*', '01234567 / :any')
  is('any host', unitOf('@tail', '/', {}), ':any')
  is('longer than a name', unitOf('@' + 'a.'.repeat(130) + 'wild.test', '/', {}), ':any')
  is('no host at all', unitOf('@', '/', {}), ':any')
  is('but the own comes first', unitOf('@tail.a.b', '/', {}), '')
  const challenge = '/.well-known/acme-challenge/x'
  is('no route for challenges', unitOf('.web.test', challenge, {}), ':web')
  table.set('@*', '01234567 /.well-known/acme-challenge :acme\n/ :any')
  is('a challenge', unitOf('.web.test', challenge, {}), ':acme')
  is('no challenge', unitOf('.web.test', '/.well-known/acme', {}), ':web')
  // The hash of the prefix modulo 1 is 0.
  table.set('@*', '01234567 * 1 2 0')
  table.set('@*/#1/0', '\n/.well-known/acme-challenge :acme\n/ :any\n')
  is('a challenge in a chunk', unitOf('.web.test', challenge, {}), ':acme')
  is('no challenge in a chunk', unitOf('.web.test', '/.well-known/acme', {}), ':web')
  table.delete('@*/#1/0')
  table.delete('@*')
  is('direct', drawSid(table, ':web/0', A, 999), A)
  is('first share', drawSid(table, ':web/1', table.get(':web/1') as string, 498), A)
  is('at a threshold', drawSid(table, ':web/1', table.get(':web/1') as string, 499), B)
  is('last share', drawSid(table, ':web/1', table.get(':web/1') as string, 999), B)
  is('cell 0', pickSlowly()(table, numbers, asked('/', 499), ':web/2', '#2', ''), A)
  is('cell 1', pickSlowly()(table, numbers, asked('/', 500), ':web/2', '#2', ''), B)
  is('by path', pickSlowly()(table, numbers, asked('/api/v2', 0), '@p.test/0', '', ''), A)
  is('no slot', pickSlowly()(table, numbers, asked('/', 0), '@web.test/9', '', ''), '')

  // peers
  is('peer', (findPeer(table, ':web', B) || { id: '' }).id, 'ib')
  is('no peer', findPeer(table, ':web', 'd'.repeat(32)), null)
  is('arms', upstreamsOf(table, '~split'), [':down', ':web'])

  // choice
  const ground = { table: table, load: numbers, request: asked('/', 0), nowMs: 0 }
  const draw = { unit: ':web', slot: '0', share: 7 }
  const idOf = (unit: string, wanted: string, tried: string): string => {
    const wish = { upstream: '', sid: wanted }
    const choice = choose(ground, Object.assign({}, draw, { unit: unit }), wish, tried)
    return choice === null ? '' : choice.upstream + ' ' + choice.peer.id
  }
  is('wanted', idOf(':web', A, ''), ':web ia')
  is('another', idOf(':web', A, A), ':web ib')
  is('none left', idOf(':web', A, A + ' ' + B), '')
  is('not one that is down', idOf(':web', C, A + ' ' + B), '')
  is('of a split', idOf('~split', '', B), ':web ia')

  // plan
  const planned = (key: string, sid: string, second: boolean): string => {
    const made = plan(ground, { key: key, sid: sid }, second, false)
    return made.does === 'try'
      ? made.choice.peer.id + ' after ' + made.tried
      : made.does === 'refuse'
        ? made.code + ' ' + made.name
        : 'fallback ' + made.upstream
  }
  is('pick header', parsePick('@a b/7 ' + A), { key: '@a b/7', sid: A })
  is('no pick header', parsePick(undefined), { key: '', sid: '' })
  is('the hop draws', planned(':web/0', '', false), 'ia after ')
  is('the front tried', planned(':web/0', A, false), 'ib after ' + A)
  is('the pool has it not yet', planned(':web/0', B, false), 'ib after ')
  is('a second time', planned(':web/0', B, true), 'ia after ' + B)
  is('no route', planned('@no.test/0', '', false), 'no_route no.test')
  is('no upstream', planned('@gone.test/0', '', false), 'no_peer gone')
  is('nobody', planned(':down/0', '', false), 'no_peer down')
  table.set('!', printState({ epoch: 2, revision: 7, whole: false }))
  is('cold host', planned('@no.test/0', '', false), 'fallback ')
  is('cold upstream', planned(':else/0', '', false), 'fallback else')
  is('warm upstream', planned(':web/0', '', false), 'ia after ')

  // names for the log
  const named = (key: string, sid: string): string =>
    askedName(table, { uri: '/', variables: { sluice_key: key, sluice_sid: sid } })
  is('of a host', named('@web.test/0', A), 'web ia')
  is('of an upstream', named(':web/0', B), 'web ib')
  is('of a split', named('~split/0', B), 'web ib')
  is('gone', named(':down/0', A), '')
  is('of nobody', named(':/0', A), '')

  // pages
  is('text', refusalPage('no_route', 'x<y', undefined), {
    status: 404,
    contentType: 'text/plain; charset=utf-8',
    body: '404 No route leads from host x?y\n',
  })
  const page = refusalPage('no_peer', 'web', 'application/json')
  is(
    'problem',
    [page.contentType, JSON.parse(page.body)],
    [
      'application/problem+json',
      {
        title: 'No instance is up',
        status: 503,
        code: 'no_peer',
        detail: 'No instance of web is up',
      },
    ],
  )

  // counts
  enter(numbers, A + '/1')
  enter(numbers, A + '/1')
  enter(numbers, A + '/2')
  is('counted', countActive(numbers, { sids: [A, B], pids: [1, 2] }), [3, 0])
  is('the living', countActive(numbers, { sids: [A], pids: [2] }), [1])
  dropDead(numbers, [2])
  is('the dead are gone', countActive(numbers, { sids: [A], pids: [1, 2] }), [1])
  leave(numbers, A + '/2')
  is('nothing stays', numbers.keys(-1), [])
  is(
    'turns',
    [lockWrites(numbers, 1000), lockWrites(numbers, 1000), lockWrites(numbers, 9000)],
    [true, false, true],
  )
  unlockWrites(numbers)
  is('given back', lockWrites(numbers, 9001), true)
  unlockWrites(numbers)

  // a full zone
  table.set('!', printState({ epoch: 2, revision: 7, whole: true }))
  const before = entries.map((entry) => table.get(entry[0]))
  const filler: Array<[string, string | null]> = [
    [':web/0', B],
    [':web/1', null],
  ]
  for (let i = 0; i < 400; i++) {
    filler.push([':f' + i + '#0', 'x'.repeat(3000)])
  }
  const full = applyDelta(
    table,
    { epoch: 2, from: 7, to: 8, whole: true, operations: filler },
    false,
  )
  is('full', full.ok ? '' : full.code, 'table_full')
  is(
    'undone',
    entries.map((entry) => table.get(entry[0])),
    before,
  )
  is('nothing of it', table.get(':f0#0') === undefined, true)
  is('still there', readState(table), { epoch: 2, revision: 7, whole: true })
  const wipe = entries.map((entry): [string, string | null] => [entry[0], null])
  is(
    'wipe',
    applyDelta(table, { epoch: 2, from: 7, to: 9, whole: true, operations: wipe }, false).ok,
    true,
  )
  const scattered: Dict = {
    capacity: table.capacity,
    freeSpace: () => 1e9,
    get: (key) => table.get(key),
    delete: (key) => table.delete(key),
    set(key, value) {
      if (value.length > 4096) {
        throw Object.assign(new Error('no pages side by side'), { name: 'SharedMemoryError' })
      }
      return table.set(key, value)
    },
  }
  const long: Array<[string, string]> = [
    [':web/0', B],
    [':long', '01234567 ' + 'x'.repeat(8000)],
  ]
  const torn = applyDelta(
    scattered,
    { epoch: 2, from: 9, to: 10, whole: true, operations: long },
    false,
  )
  is('torn', torn.ok ? '' : torn.code, 'table_full')
  is('to be compared', readState(table), { epoch: 2, revision: 0, whole: false })
  table.delete(':web/0')
  table.delete('!')
  return wrong
}
