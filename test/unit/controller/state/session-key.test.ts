/** The key of sessions over a real registry: who makes it, who takes it, and what a loss costs. */
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import type { Logger } from '../../../../runtime/logger.js'
import { silentLogger } from '../../../../runtime/logger.js'
import { SessionKey } from '../../../../controller/state/session-key.js'
import { openEmbedded } from '../../../../registry/embedded/registry.js'
import type { Registry } from '../../../../registry/registry.js'
import { temporaryFolder } from '../../../../lab/temp.js'
import { until } from '../../../../lab/until.js'

const KEY = 'secrets/sessions'

async function open(t: Test): Promise<Registry> {
  const folder = join(temporaryFolder(t), 'registry')
  const registry = await openEmbedded({ folder, log: silentLogger })
  t.teardown(() => registry.close())
  return registry
}

/** One that follows the registry, as a controller has it. */
function follow(
  t: Test,
  registry: Registry,
  isUsed = true,
  commit = registry.commit.bind(registry),
) {
  const said: string[] = []
  const lines: string[] = []
  const note = (about: unknown, message?: string) => {
    lines.push(JSON.stringify([about, message]))
    said.push(message ?? String(about))
  }
  const log = { info: note, warn: note, error: note } as unknown as Logger
  let changes = 0
  const key = new SessionKey({
    ...{ registry: { commit }, log, isUsed },
    onChange: () => void changes++,
  })
  key.start()
  let isListed = false
  const watch = registry.watch(['secrets/', 'upstreams/'], {
    onListing: (listing) => {
      key.onListing(listing)
      isListed = true
    },
    onChanges: (all) => key.onChanges(all),
    onConnected: () => undefined,
  })
  const end = async (): Promise<void> => {
    await watch.close()
    await key.close()
  }
  t.teardown(end)
  return { key, said, lines, changes: () => changes, listed: () => until(() => isListed), end }
}

async function stored(registry: Registry): Promise<string | undefined> {
  const { entry } = await registry.get(KEY)
  return entry === undefined ? undefined : (JSON.parse(entry.value) as { key: string }).key
}

t.test('the first to come makes it, and all have the same', async (t) => {
  const registry = await open(t)
  const all = Array.from({ length: 4 }, () => follow(t, registry))
  await until(async () => {
    const value = await stored(registry)
    return value !== undefined && all.every(({ key }) => key.value === value)
  })
  const value = all[0]?.key.value ?? ''
  t.match(value, /^[0-9a-f]{64}$/)
  t.equal(all[0]?.said[0], 'a key of sessions is made', 'a new registry has no sessions to lose')
  t.notOk(
    all.some(({ lines }) => lines.join().includes(value)),
    'no log line has it',
  )
  const late = follow(t, registry)
  await late.listed()
  t.equal(late.key.value, value)
  t.same([late.said, late.changes()], [[], 1])
})

t.test('one that is lost is written again by who knows it, else made anew', async (t) => {
  const registry = await open(t)
  const one = follow(t, registry)
  await until(async () => (await stored(registry)) !== undefined)
  const value = one.key.value
  await registry.commit([{ type: 'delete', key: KEY }])
  await until(async () => (await stored(registry)) === value, { what: 'it to be written again' })
  t.match(one.said.at(-1), /the known one is written again/)
  t.equal(one.changes(), 1)
  await one.end()
  await registry.commit([
    { type: 'delete', key: KEY },
    { type: 'put', key: 'upstreams/web', value: '{}' },
  ])
  const two = follow(t, registry)
  await until(async () => (await stored(registry)) !== undefined)
  t.not(two.key.value, value)
  t.match(two.said.at(-1), /one is made, and older sessions move once/)
})

t.test('what is no key replaces none, and is named without being shown', async (t) => {
  const registry = await open(t)
  const one = follow(t, registry)
  await until(async () => (await stored(registry)) !== undefined)
  const value = one.key.value
  const put = (text: string) => registry.commit([{ type: 'put', key: KEY, value: text }])
  for (const text of ['{"key":"short-secret"}', '{"key":5}', '{}', '[]', 'no', '{"needs":["x"]}']) {
    await put(text)
    await until(() => one.key.refused().length === 1)
    t.equal(one.key.value, value)
    t.notMatch(one.lines.join(), /short-secret/)
    await put(JSON.stringify({ key: value, hint: 'of a newer version' }))
    await until(() => one.key.refused().length === 0)
  }
  t.equal(one.changes(), 1)
  await put(JSON.stringify({ key: 'b'.repeat(64) }))
  await until(() => one.key.value === 'b'.repeat(64))
  t.match(one.said.at(-1), /is another one: sessions move once/)
})

t.test('a registry that refuses writes has a gateway use a key of its own', async (t) => {
  const registry = await open(t)
  let isFull = true
  const commit: Registry['commit'] = (operations) =>
    isFull ? Promise.reject(new Error('no space')) : registry.commit(operations)
  const one = follow(t, registry, true, commit)
  await until(() => one.said.includes('the key of sessions cannot be written'))
  const value = one.key.value
  t.match(value, /^[0-9a-f]{64}$/)
  isFull = false
  await until(async () => (await stored(registry)) === value)
})

t.test('a gateway without cookies makes none', async (t) => {
  const registry = await open(t)
  const one = follow(t, registry, false)
  await one.listed()
  t.equal(one.key.value, undefined)
  const { entries } = await registry.list('')
  t.same(entries, [])
})
