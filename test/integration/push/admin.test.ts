/** The admin endpoint of a gateway. */
import t from 'tap'
import type { Delta, GatewayState, Operation } from '../../../contract/push.js'
import { EVENTS } from '../../../contract/table/zones.js'
import { INDEX_BUCKETS, MOST_BODY_BYTES, MOST_OPERATIONS } from '../../../contract/table/limits.js'
import { startBackend } from '../../../lab/backends/backend.js'
import { eventWriter, withEventWriter } from '../../support/event-writer.js'
import { GATEWAY_KINDS, startGateway } from '../../../lab/nginx/gateway.js'
import { sidOfAddress } from '../../../controller/state/sid.js'
import { difference, hostUnit, upstreamUnit } from '../../../lab/nginx/unit-builder.js'

t.setTimeout(170_000)

const SID = 'ab'.repeat(16)

for (const kind of GATEWAY_KINDS) {
  t.test(kind, async (t) => {
    const gateway = await startGateway(t, { kind, tableBytes: 256 * 1024, ...withEventWriter })
    const { admin } = gateway
    const read = async (...keys: string[]): Promise<Array<string | null>> =>
      ((await admin('POST', '/read', { keys })).json as { values: Array<string | null> }).values

    t.test('state of a new nginx', async (t) => {
      const state = await gateway.state()
      t.match(state, {
        epoch: 0,
        revision: 0,
        whole: false,
        engine: kind === 'qjs' ? 'qjs' : 'njs',
        nginx: kind === 'stable' ? '1.26.3' : /^1\.3/,
        njs: /^\d+\.\d+\.\d+$/,
      })
      t.ok(state.freeBytes > 0)
      t.equal(state.workers.length, 2)
      t.notOk(state.workers.includes(state.pid))
    })

    t.test('nothing is written before a claim', async (t) => {
      const delta = { epoch: 0, from: 0, to: 1, whole: true, operations: [] }
      t.match(await admin('POST', '/delta', delta), { status: 409, json: { code: 'stale_epoch' } })
    })

    t.test('claim hands the table to one epoch', async (t) => {
      const claim = (epoch: number, expect: number) => admin('POST', '/claim', { epoch, expect })
      const stale = { status: 409, json: { code: 'stale_epoch', epoch: 0, revision: 0 } }
      t.match(await claim(5, 4), stale)
      t.match(await claim(5, 0), { status: 200, json: { epoch: 5, revision: 0, whole: false } })
      t.match(await claim(6, 0), { status: 409, json: { code: 'stale_epoch', epoch: 5 } })
      t.match(await claim(5, 5), { status: 409, json: { code: 'stale_epoch' } })
      t.match(await claim(4, 5), { status: 409, json: { code: 'stale_epoch' } })
      t.match(await claim(7, 5), { status: 200, json: { epoch: 7 } })
    })

    const good: Operation[] = [
      [':web', '01234567 1'],
      [':web/0', SID],
      [':web/1', `*499${SID}999${SID}`],
      [':web/2', '#20'],
      [':web/2/19', SID],
      [':web#0', `${SID} 10.0.0.7:80 a up`],
      [':web+', '%13 /7/20'],
      ['@*.example.com', '01234567 /api :web\n/ :web'],
      ['~split', '01234567 :web :web-next'],
      [`#${INDEX_BUCKETS - 1}`, ':web\n@*.example.com'],
    ]
    const first: Delta = { epoch: 7, from: 0, to: 3, whole: true, operations: good }

    t.test('what a delta sets is read back', async (t) => {
      const state = (await admin('POST', '/delta', first)).json as GatewayState
      t.match(state, { epoch: 7, revision: 3, whole: true })
      t.same(await read(...good.map(([key]) => key), ':none'), [...good.map(([, v]) => v), null])
    })

    const next: Delta = { epoch: 7, from: 3, to: 4, whole: true, operations: [[':web/0', null]] }
    const operations = (...bad: unknown[]): object => ({
      ...next,
      operations: [[':x', '01234567 1'], ...bad],
    })
    const refused: Array<[string, unknown, number, object]> = [
      ['no JSON', '{"epoch":', 400, { code: 'invalid' }],
      ['nothing', '', 400, { code: 'invalid' }],
      ['a list', [], 400, { code: 'invalid', field: '' }],
      ['null', 'null', 400, { code: 'invalid' }],
      ['deep nesting', '['.repeat(50_000), 400, { code: 'invalid' }],
      ['an unknown field', { ...next, more: 1 }, 400, { field: 'more' }],
      ['a missing field', { ...next, whole: undefined }, 400, { field: 'whole' }],
      ['a wrong type', { ...next, whole: 'yes' }, 400, { field: 'whole' }],
      ['a number as text', { ...next, from: '3' }, 400, { field: 'from' }],
      ['a negative number', { ...next, epoch: -7 }, 400, { field: 'epoch' }],
      ['a fraction', { ...next, to: 4.5 }, 400, { field: 'to' }],
      ['backwards', { ...next, to: 2 }, 400, { field: 'to' }],
      ['no list', { ...next, operations: {} }, 400, { field: 'operations' }],
      ['no pair', operations([':web/0']), 400, { field: 'operations[1]' }],
      [
        'a key that is none',
        operations([':web/0', null], ['web/0', SID]),
        400,
        { field: 'operations[2][0]' },
      ],
      ['a key that is a number', operations([7, SID]), 400, { field: 'operations[1][0]' }],
      ['the state record', operations(['!', '9 9 1']), 400, { field: 'operations[1][0]' }],
      ['an internal key', operations(['!touch', '1']), 400, { field: 'operations[1][0]' }],
      [
        'a key that is long',
        operations([`:${'x'.repeat(300)}`, 'x']),
        400,
        { field: 'operations[1][0]' },
      ],
      [
        'a value that is no SID',
        operations([':web/0', 'http://evil']),
        400,
        { field: 'operations[1][1]' },
      ],
      [
        'a value with control characters',
        operations([':web', 'a\rb']),
        400,
        { field: 'operations[1][1]' },
      ],
      [
        'a value that is long',
        operations([':web', 'x'.repeat(40_000)]),
        400,
        { field: 'operations[1][1]' },
      ],
      ['a value that is a number', operations([':web', 5]), 400, { field: 'operations[1][1]' }],
      [
        'too many',
        operations(...Array.from({ length: MOST_OPERATIONS }, () => [':web/0', null])),
        400,
        { field: 'operations' },
      ],
      ['too large', 'x'.repeat(MOST_BODY_BYTES + 1), 413, { code: 'too_large' }],
      [
        'an older epoch',
        { ...next, epoch: 5 },
        409,
        { code: 'stale_epoch', epoch: 7, revision: 3 },
      ],
      ['a newer epoch', { ...next, epoch: 8 }, 409, { code: 'stale_epoch', epoch: 7 }],
      [
        'a revision that was',
        { ...next, from: 0 },
        409,
        { code: 'revision_gap', epoch: 7, revision: 3 },
      ],
      [
        'a revision to come',
        { ...next, from: 9, to: 10 },
        409,
        { code: 'revision_gap', revision: 3 },
      ],
    ]

    t.test('what is refused leaves the table as it was', async (t) => {
      for (const [what, body, status, json] of refused) {
        const answer = await admin('POST', '/delta', body)
        t.match(answer, { status, json }, what)
        t.type((answer.json as { message?: unknown })?.message, 'string', what)
      }
      const text = { 'content-type': 'text/plain' }
      t.match(await admin('POST', '/delta', next, text), {
        status: 415,
        json: { code: 'unsupported_media_type' },
      })
      t.match(await admin('PUT', '/delta', next), {
        status: 405,
        json: { code: 'method_not_allowed' },
      })
      t.match(await admin('POST', '/state', {}), { status: 405 })
      t.match(await admin('GET', '/nothing'), { status: 404, json: { code: 'not_found' } })
      t.match(await admin('POST', '/read', { keys: ['!'] }), {
        status: 400,
        json: { field: 'keys' },
      })
      t.match(await admin('POST', '/read', { keys: 'x' }), { status: 400 })
      t.match(await admin('POST', '/active', { sids: ['x'], pids: [] }), {
        status: 400,
        json: { field: 'sids' },
      })
      t.match(await admin('POST', '/active', { sids: [SID], pids: ['1'] }), {
        status: 400,
        json: { field: 'pids' },
      })
      t.match(await admin('POST', '/claim', { epoch: 0, expect: 7 }), {
        status: 400,
        json: { field: 'epoch' },
      })
      t.same(await read(...good.map(([key]) => key), ':x'), [...good.map(([, v]) => v), null])
      t.match(await gateway.state(), { epoch: 7, revision: 3, whole: true })
    })

    t.test('the largest delta there may be', async (t) => {
      const many: Operation[] = Array.from({ length: MOST_OPERATIONS }, (_, i) => [`:m${i}`, '0'])
      t.equal((await admin('POST', '/delta', { ...next, operations: many })).status, 200)
      const none: Operation[] = many.map(([key]) => [key, null])
      t.equal(
        (await admin('POST', '/delta', { ...next, from: 4, to: 5, operations: none })).status,
        200,
      )
      t.same(await read(':m0', ':m999'), [null, null])
      // All that a body may hold, which the zone may not: it is the check that must get through.
      const long = (last: unknown): Operation[] => [
        ...Array.from({ length: 31 }, (_, i): Operation => [`:m${i}`, 'x'.repeat(32_700)]),
        [':web/0', last as string],
      ]
      const then = { ...next, from: 5, to: 6 }
      t.match(await admin('POST', '/delta', { ...then, operations: long('x') }), {
        status: 400,
        json: { field: 'operations[31][1]' },
      })
      t.equal((await admin('POST', '/delta', { ...then, operations: long(SID) })).status, 507)
    })

    t.test('touch, alive, counters, probe, active', async (t) => {
      t.match(await admin('POST', '/touch'), { status: 200, json: { ok: true } })
      t.match(await admin('GET', '/touch'), { status: 405 })
      t.match(await admin('GET', '/alive'), { status: 200, body: 'ok' })
      t.match(await admin('GET', '/counters'), {
        json: { noRoute: 0, noPeer: 0, full: 0, retried: 0, fallback: 0, failed: 0 },
      })
      for (const limit of [1, 64, 128, 32768]) {
        t.match(await admin('GET', `/probe/${limit}?sid=${SID}&pid=1`), { status: 200, body: '0' })
      }
      t.match(await admin('GET', `/probe/65?sid=${SID}&pid=1`), { status: 404 })
      t.match(await admin('POST', '/active', { sids: [SID, SID], pids: [1] }), {
        json: { active: [0, 0] },
      })
    })

    t.test('events are read from where the reader was', async (t) => {
      const writer = eventWriter(gateway.userPort)
      const events = async (from: number): Promise<unknown> =>
        (await admin('GET', `/events?from=${from}`)).json
      const { master } = (await events(0)) as { master: number }
      t.equal(master, (await gateway.state()).pid)
      t.match(await events(0), { next: 0, events: [] })
      await writer.failed(SID, 2)
      await writer.passed(SID)
      t.match(await events(0), { next: 3, events: [`f${SID}`, `f${SID}`, `p${SID}`] })
      t.match(await events(2), { next: 3, events: [`p${SID}`] })
      t.match(await events(9), { next: 3, events: [`f${SID}`, `f${SID}`, `p${SID}`] })
      await writer.failed(SID, EVENTS + 5)
      const { next, events: found } = (await events(3)) as { next: number; events: string[] }
      t.equal(next, EVENTS + 8)
      t.same(new Set(found), new Set([`f${SID}`]))
      t.equal(found.length, EVENTS)
      for (const path of ['/events', '/events?from=x', '/events?from=-1']) {
        t.match(await admin('GET', path), { status: 400, json: { field: 'from' } }, path)
      }
      t.match(await admin('POST', '/events?from=0', {}), { status: 405 })
    })

    t.test('answers are counted for each peer', async (t) => {
      const writer = eventWriter(gateway.userPort)
      const other = 'cd'.repeat(16)
      await writer.count(`n${SID}`, 20)
      await writer.count(`e${SID}`, 5)
      await writer.count(`m${SID}`, 300)
      t.match(await admin('POST', '/answers', { sids: [other, SID] }), {
        json: { answers: [0, 20], errors: [0, 5], millis: [0, 300] },
      })
      const bad = { status: 400, json: { field: 'sids' } }
      t.match(await admin('POST', '/answers', { sids: ['x'] }), bad)
      t.match(await admin('POST', '/answers', {}), bad)
    })

    t.test('sweep takes back what dead workers hold', async (t) => {
      const writer = eventWriter(gateway.userPort)
      const [pid = 0] = (await gateway.state()).workers
      // Above any pid that Linux gives.
      const dead = 2 ** 30
      await writer.count(`c${SID}`, 5)
      await writer.count(`c${SID}/${pid}`, 2)
      await writer.count(`c${SID}/${dead}`, 3)
      t.match(await admin('POST', '/sweep', { pids: ['x'] }), {
        status: 400,
        json: { field: 'pids' },
      })
      t.match(await admin('POST', '/sweep', { pids: [dead] }), { json: { swept: 0 } })
      t.match(await admin('POST', '/sweep', { pids: [] }), { json: { swept: 1 } })
      t.equal(await writer.count(`c${SID}`), '2')
      t.equal(await writer.count(`c${SID}/${pid}`), '2')
      t.equal(await writer.count(`c${SID}/${dead}`), '-')
    })

    t.test('forget drops all counts of a peer', async (t) => {
      const writer = eventWriter(gateway.userPort)
      const other = 'e'.repeat(32)
      for (const letter of ['c', 't', 'n']) {
        await writer.count(`${letter}${other}`, 7)
      }
      await writer.count(`c${SID}`, 1)
      t.match(await admin('POST', '/forget', { sids: ['x'] }), { status: 400 })
      t.match(await admin('POST', '/forget', { sids: [other] }), { json: { ok: true } })
      for (const letter of ['c', 't', 'n']) {
        t.equal(await writer.count(`${letter}${other}`), '-')
      }
      t.not(await writer.count(`c${SID}`), '-')
    })

    t.test('a delta that does not fit changes nothing', async (t) => {
      const backend = await startBackend(t, 'a')
      const unit = upstreamUnit('web', [{ id: 'a', address: backend.address }])
      const serving = [unit, hostUnit('web.test', [['/', ':web']], unit)]
      await gateway.setTable(...serving)
      const before = await gateway.state()
      const keys = serving.flatMap((each) => [...each.keys()])
      const values = await read(...keys)
      const other = upstreamUnit('web', [{ id: 'b', address: '127.0.0.1:9' }])
      const replace = difference(unit, other)
      const filler = (n: number): Operation => [`:filler-${n}#0`, 'x'.repeat(2000)]
      const fill: Operation[] = [
        ...replace,
        ...Array.from({ length: 300 }, (_, n) => filler(n)),
        [':web/1', null],
      ]
      const delta = {
        epoch: before.epoch,
        from: before.revision,
        to: before.revision + 1,
        whole: true,
      }
      const full = await admin('POST', '/delta', { ...delta, operations: fill })
      t.match(full, { status: 507, json: { code: 'table_full', revision: before.revision } })
      t.match((full.json as { message: string }).message, /262144.*free.*SLUICE_TABLE_SIZE.* 1m /)
      t.same(await read(...keys), values, 'all of it was taken back')
      t.same(await read(':filler-0#0', ':filler-100#0'), [null, null])
      t.match(await gateway.state(), {
        epoch: before.epoch,
        revision: before.revision,
        whole: true,
      })
      t.match(await gateway.ask({ host: 'web.test' }), { status: 200, json: { id: 'a' } })

      // Filled to the brim by writes that each succeed, it still lets go of something.
      let revision = before.revision
      const put = async (operations: Operation[]): Promise<boolean> => {
        const answer = await admin('POST', '/delta', {
          ...delta,
          from: revision,
          to: revision + 1,
          operations,
        })
        if (answer.status === 200) {
          revision += 1
        } else {
          t.equal(answer.status, 507)
        }
        return answer.status === 200
      }
      let written = 0
      for (const size of [2000, 500, 100, 30, 1]) {
        while (written < 5000 && (await put([[`:f${written}#0`, 'x'.repeat(size)]]))) {
          written += 1
        }
      }
      t.match(await gateway.ask({ host: 'web.test' }), { status: 200, json: { id: 'a' } })
      t.ok(await put([[':f0#0', null]]), 'a delta that only deletes')
      const grown = { ...delta, from: revision, to: revision + 1, operations: [[':g#0', 'x']] }
      t.match(
        await admin('POST', '/delta?grows=1', grown),
        { status: 507, json: { code: 'table_full', revision } },
        'what adds leaves the room that is kept',
      )
      t.same(await read(':g#0'), [null])
      t.ok(
        await put(
          Array.from({ length: Math.min(written, 900) }, (_, n): Operation => [`:f${n}#0`, null]),
        ),
      )
      t.equal(await put(replace), true, 'and then there is room')
      t.same(await read(':web/0'), [sidOfAddress('127.0.0.1:9')])
    })

    t.test('of two deltas at once one is written', async (t) => {
      const { epoch, revision } = await gateway.state()
      const delta = {
        epoch,
        from: revision,
        to: revision + 1,
        whole: true,
        operations: [[':twice', '1']],
      }
      const answers = await Promise.all(
        Array.from({ length: 16 }, () => admin('POST', '/delta', delta)),
      )
      t.equal(answers.filter(({ status }) => status === 200).length, 1)
      for (const { status } of answers) {
        t.ok(status === 200 || status === 409)
      }
      t.equal((await gateway.state()).revision, revision + 1)
    })

    t.test('the socket is for its user alone', async (t) => {
      const { statSync } = await import('node:fs')
      t.equal(statSync(`${gateway.home}/run`).mode & 0o777, 0o700)
      t.equal((await gateway.counters()).failed, 0)
    })
  })
}
