/** What every registry promises, asked of each of them. */
import t from 'tap'
import { SluiceError } from '../../runtime/errors.js'
import { Recorder } from '../support/registry-recorder.js'
import { kinds, value, type Subject } from '../support/registry-subjects.js'
import { until } from '../../lab/until.js'
import type { Lease, PutOperation, Registry, RegistryOperation } from '../../registry/registry.js'

const put = (key: string, n = 1, more: Partial<PutOperation> = {}): PutOperation => ({
  type: 'put',
  key,
  value: value(n),
  ...more,
})

/** Whether `lost` has resolved, without waiting for it. */
function lossOf(lease: Lease): { lost: boolean } {
  const loss = { lost: false }
  void lease.lost.then(() => (loss.lost = true))
  return loss
}

async function keys(registry: Registry, prefix: string): Promise<string[]> {
  return (await registry.list(prefix)).entries.map(({ key }) => key)
}

t.setTimeout(170_000)

for (const kind of kinds) {
  t.test(kind.name, async (t) => {
    const subject: Subject = await kind.start()
    t.teardown(() => subject.stop())
    const { registry } = subject
    let unit = 0
    /** A part of the registry for one test alone. */
    const ground = () => `instances/u${++unit}/`

    t.test('lists what stands under a prefix, by key, with the revision of each', async (t) => {
      const at = ground()
      const first = await registry.commit([put(`${at}b`, 1)])
      const second = await registry.commit([put(`${at}a`, 2), put(`${at}c`, 3)])
      const { revision, entries } = await registry.list(at)
      t.ok(revision >= second.revision)
      t.same(entries, [
        { key: `${at}a`, value: value(2), revision: second.revision },
        { key: `${at}b`, value: value(1), revision: first.revision },
        { key: `${at}c`, value: value(3), revision: second.revision },
      ])
      t.same(await keys(registry, `${at}b`), [`${at}b`])
      t.same(await keys(registry, 'instances/nobody/'), [])
      t.ok((await keys(registry, '')).includes(`${at}a`), 'everything')
    })

    t.test('one key is had alone, whatever else begins with its letters', async (t) => {
      const at = ground()
      const { revision } = await registry.commit([put(`${at}i1`, 1)])
      const others = Array.from({ length: 20 }, (_, n) => put(`${at}i1${n}`, 2))
      const later = await registry.commit(others)
      const found = await registry.get(`${at}i1`)
      t.same(found.entry, { key: `${at}i1`, value: value(1), revision })
      t.ok(found.revision >= later.revision, 'with the revision of the store')
      const missing = await registry.get(`${at}i`)
      t.equal(missing.entry, undefined, 'the beginning of a key is no key')
      t.ok(missing.revision >= later.revision)
    })

    t.test('a commit has one new revision, and one that changes nothing has none', async (t) => {
      const at = ground()
      const one = await registry.commit([put(`${at}a`)])
      const two = await registry.commit([put(`${at}a`)])
      t.equal(two.revision, one.revision + 1)
      const nothing = await registry.commit([{ type: 'delete', key: `${at}none` }])
      t.equal(nothing.revision, two.revision)
      t.equal((await registry.commit([])).revision, two.revision)
      await registry.commit([{ type: 'delete', key: `${at}a` }])
      t.same(await keys(registry, at), [])
    })

    t.test('conditions hold, or nothing happens and the key is named', async (t) => {
      const at = ground()
      const { revision } = await registry.commit([put(`${at}a`, 1, { ifRevision: 0 })])
      const refused: RegistryOperation[][] = [
        [put(`${at}x`), put(`${at}a`, 2, { ifRevision: 0 })],
        [put(`${at}x`), put(`${at}a`, 2, { ifRevision: revision - 1 })],
        [put(`${at}x`), { type: 'delete', key: `${at}a`, ifRevision: revision + 1 }],
      ]
      for (const operations of refused) {
        await t.rejects(registry.commit(operations), { code: 'changed', field: `${at}a` })
      }
      await t.rejects(registry.commit([put(`${at}n`, 1, { ifRevision: revision })]), {
        code: 'changed',
        field: `${at}n`,
      })
      t.same(await keys(registry, at), [`${at}a`])
      await registry.commit([put(`${at}a`, 2, { ifRevision: revision })])
      const [entry] = (await registry.list(at)).entries
      await registry.commit([
        { type: 'delete', key: `${at}a`, ifRevision: entry?.revision ?? 0 },
        put(`${at}b`, 1, { ifRevision: 0 }),
      ])
      t.same(await keys(registry, at), [`${at}b`])
    })

    t.test('of many that race for one key, one wins', async (t) => {
      const at = ground()
      const tries = Array.from({ length: 20 }, (_, i) =>
        registry.commit([put(`${at}a`, i + 1, { ifRevision: 0 })]),
      )
      const outcomes = await Promise.allSettled(tries)
      t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
      const reasons = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
      t.ok(reasons.every((error) => error instanceof SluiceError && error.code === 'changed'))
    })

    t.test('a key may not come twice in one commit', async (t) => {
      const at = ground()
      const twice: RegistryOperation[] = [put(`${at}a`), { type: 'delete', key: `${at}a` }]
      await t.rejects(registry.commit(twice), { code: 'invalid', field: `${at}a` })
      t.same(await keys(registry, at), [])
    })

    t.test('1,000 operations are one commit, all or nothing', async (t) => {
      const at = ground()
      const watch = await new Recorder(registry, [at]).whenOnline()
      const all = Array.from({ length: 1000 }, (_, i) => put(`${at}k${i}`, 1, { ifRevision: 0 }))
      const { revision } = await registry.commit(all)
      const { entries } = await registry.list(at)
      t.equal(entries.length, 1000)
      t.ok(entries.every((entry) => entry.revision === revision))
      const again = all.map(({ key }, i): PutOperation => {
        return put(key, 2, { ifRevision: i === 777 ? 0 : revision })
      })
      await t.rejects(registry.commit(again), { code: 'changed', field: `${at}k777` })
      const after = await registry.list(at)
      t.ok(
        after.entries.every((entry) => entry.revision === revision),
        'nothing happened',
      )
      await watch.whenAt(revision)
      t.same(
        watch.calls.map(({ length }) => length),
        [1000],
        'and one call to a watcher',
      )
      await watch.close()
    })

    t.test('a watch gets the listing first, then each change once, in order', async (t) => {
      const at = ground()
      await registry.commit([put(`${at}before`)])
      const watch = new Recorder(registry, [at])
      const writer = async (name: string) => {
        for (let i = 1; i <= 30; i++) {
          await registry.commit([put(`${at}${name}`, i), put(`${at}${name}-${i}`, i)])
          if (i % 3 === 0) {
            await registry.commit([{ type: 'delete', key: `${at}${name}-${i}` }])
          }
        }
      }
      await Promise.all(['p', 'q', 'r', 's'].map(writer))
      const { revision } = await registry.commit([put(`${at}last`)])
      await watch.whenAt(revision)
      const { entries } = await registry.list(at)
      t.same(watch.values(), Object.fromEntries(entries.map((e) => [e.key, e.value])))
      t.same(watch.faults, [])
      t.equal(watch.listings.length, 1)
      t.equal(watch.listings[0]?.restored, false)
      const counts = new Map<number, number>()
      for (const change of watch.changes) {
        counts.set(change.revision, (counts.get(change.revision) ?? 0) + 1)
      }
      for (const call of watch.calls) {
        const own = new Map<number, number>()
        for (const { revision } of call) {
          own.set(revision, (own.get(revision) ?? 0) + 1)
        }
        for (const [revision, count] of own) {
          t.equal(count, counts.get(revision), 'in one piece')
        }
      }
      await watch.close()
    })

    t.test('a watch gets its prefixes only, and a transaction over several at once', async (t) => {
      const [one, two, other] = [ground(), ground(), ground()]
      const watch = await new Recorder(registry, [one, two]).whenOnline()
      await registry.commit([put(`${other}a`)])
      const { revision } = await registry.commit([put(`${one}a`), put(`${two}a`), put(`${other}b`)])
      await registry.commit([{ type: 'delete', key: `${one}a` }])
      await watch.whenAt(revision + 1)
      t.same(
        watch.calls.flat().map(({ type, key }) => `${type} ${key}`),
        [`put ${one}a`, `put ${two}a`, `delete ${one}a`],
      )
      t.equal(watch.calls[0]?.length, 2)
      await watch.close()
    })

    t.test('a closed watch gets nothing more', async (t) => {
      const at = ground()
      const closed = await new Recorder(registry, [at]).whenOnline()
      const open = await new Recorder(registry, [at]).whenOnline()
      await closed.close()
      const { revision } = await registry.commit([put(`${at}a`)])
      await open.whenAt(revision)
      t.same(closed.changes, [])
      await open.close()
    })

    t.test('a watcher that throws does not keep others from hearing', async (t) => {
      const at = ground()
      const fail = () => {
        throw new Error('on purpose')
      }
      const bad = registry.watch([at], { onListing: fail, onChanges: fail, onConnected: fail })
      const good = await new Recorder(registry, [at]).whenOnline()
      const { revision } = await registry.commit([put(`${at}a`)])
      await good.whenAt(revision)
      t.same(Object.keys(good.values()), [`${at}a`])
      await Promise.all([bad.close(), good.close()])
    })

    t.test('keys go when their lease is over', async (t) => {
      const at = ground()
      const watch = await new Recorder(registry, [at]).whenOnline()
      const lease = await registry.grant({ ttlMs: 1000, keepAlive: false })
      const loss = lossOf(lease)
      await registry.commit([put(`${at}a`, 1, { lease: lease.id }), put(`${at}stays`)])
      await until(() => watch.changes.some(({ type }) => type === 'delete'), { deadlineMs: 15_000 })
      const gone = watch.changes.filter(({ type }) => type === 'delete')
      t.same(
        gone.map(({ key }) => key),
        [`${at}a`],
      )
      const [change] = gone
      t.equal(change?.type === 'delete' ? change.expired : 'none', kind.marksExpiry || undefined)
      t.same(await keys(registry, at), [`${at}stays`])
      await until(() => loss.lost, { deadlineMs: 10_000, what: 'the loss of the lease' })
      await t.rejects(lease.renew(), { code: 'not_found' })
      await t.rejects(registry.commit([put(`${at}b`, 1, { lease: lease.id })]), {
        code: 'not_found',
      })
      await t.rejects(registry.adopt(lease.id, { ttlMs: 1000 }), { code: 'not_found' })
      await watch.close()
    })

    t.test('a lease lives as long as it is renewed, by itself or by call', async (t) => {
      const at = ground()
      const [kept, called, left] = [
        await registry.grant({ ttlMs: 1000 }),
        await registry.grant({ ttlMs: 1000, keepAlive: false }),
        await registry.grant({ ttlMs: 1000, keepAlive: false }),
      ]
      await registry.commit([
        put(`${at}kept`, 1, { lease: kept.id }),
        put(`${at}called`, 1, { lease: called.id }),
        put(`${at}left`, 1, { lease: left.id }),
      ])
      const gone = async () => {
        await called.renew()
        return !(await keys(registry, at)).includes(`${at}left`)
      }
      await until(gone, { deadlineMs: 15_000, intervalMs: 200 })
      t.same(await keys(registry, at), [`${at}called`, `${at}kept`])
      await Promise.all([kept.revoke(), called.revoke()])
      t.same(await keys(registry, at), [])
    })

    t.test('a key put again without its lease, or with another, leaves the first', async (t) => {
      const at = ground()
      const [one, two] = [
        await registry.grant({ ttlMs: 30_000 }),
        await registry.grant({ ttlMs: 30_000 }),
      ]
      await registry.commit(['a', 'b', 'c'].map((id) => put(at + id, 1, { lease: one.id })))
      await registry.commit([put(`${at}a`, 2), put(`${at}b`, 2, { lease: two.id })])
      await one.revoke()
      t.same(await keys(registry, at), [`${at}a`, `${at}b`])
      await two.revoke()
      t.same(await keys(registry, at), [`${at}a`])
    })

    t.test('released: the keys stay until the time is over; revoked: they go now', async (t) => {
      const at = ground()
      const [released, revoked] = [
        await registry.grant({ ttlMs: 2000 }),
        await registry.grant({ ttlMs: 60_000 }),
      ]
      const losses = [lossOf(released), lossOf(revoked)]
      await registry.commit([
        put(`${at}released`, 1, { lease: released.id }),
        put(`${at}revoked`, 1, { lease: revoked.id }),
      ])
      const watch = await new Recorder(registry, [at]).whenOnline()
      await Promise.all([released.release(), revoked.revoke()])
      t.same(await keys(registry, at), [`${at}released`])
      await until(() => watch.changes.length > 0)
      const [change] = watch.changes
      t.not(change?.type === 'delete' && change.expired, true, 'a revoke is no expiry')
      await until(async () => (await keys(registry, at)).length === 0, { deadlineMs: 20_000 })
      t.same(
        losses.map(({ lost }) => lost),
        [false, false],
        'both were our doing',
      )
      await watch.close()
    })

    t.test('a lease is taken up by who knows its id', async (t) => {
      const at = ground()
      const granted = await registry.grant({ ttlMs: 2000 })
      await registry.commit([put(`${at}a`, 1, { lease: granted.id })])
      await granted.release()
      const adopted = await registry.adopt(granted.id, { ttlMs: 2000 })
      t.equal(adopted.id, granted.id)
      const other = await registry.grant({ ttlMs: 2000, keepAlive: false })
      const loss = lossOf(other)
      await until(() => loss.lost, {
        deadlineMs: 20_000,
        what: 'the time in which it would be over',
      })
      t.same(await keys(registry, at), [`${at}a`])
      const adoptedLoss = lossOf(adopted)
      await (await registry.adopt(granted.id, { ttlMs: 2000, keepAlive: false })).revoke()
      await until(() => adoptedLoss.lost, { deadlineMs: 10_000, what: 'word of the loss' })
      t.same(await keys(registry, at), [])
      await t.rejects(registry.adopt('12345', { ttlMs: 2000 }), { code: 'not_found' })
    })

    const { interrupt } = subject
    if (interrupt) {
      t.test('after an outage the watch goes on where it was', async (t) => {
        const at = ground()
        const watch = await new Recorder(registry, [at]).whenOnline()
        const { revision } = await registry.commit([put(`${at}a`)])
        await watch.whenAt(revision)
        await interrupt(async () => {
          await until(() => !watch.online, { deadlineMs: 20_000, what: 'word of the outage' })
          t.ok(watch.connected.at(-1)?.reason, 'with a reason')
          await t.rejects(registry.commit([put(`${at}lost`)]), { code: 'registry_unavailable' })
          t.same(Object.keys(watch.values()), [`${at}a`], 'what was known stays')
        })
        await watch.whenOnline()
        const back = await until(() => registry.commit([put(`${at}b`)]), { deadlineMs: 20_000 })
        await watch.whenAt(back.revision)
        t.same(Object.keys(watch.values()), [`${at}a`, `${at}b`])
        t.same(watch.faults, [])
        t.notOk(watch.listings.some(({ restored }) => restored))
        await watch.close()
      })
    }

    t.test('closed, it rejects and is quiet', async (t) => {
      const watch = await new Recorder(registry, ['']).whenOnline()
      await registry.close()
      const before = watch.connected.length
      await t.rejects(registry.commit([put('instances/web/a')]), { code: 'registry_unavailable' })
      await t.rejects(registry.list(''), { code: 'registry_unavailable' })
      await t.rejects(registry.get('instances/a/b'), { code: 'registry_unavailable' })
      t.equal(watch.connected.length, before)
      await watch.close()
      await registry.close()
    })
  })
}
