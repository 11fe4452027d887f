/** The embedded registry: kills, full disks, locks. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { openEmbedded } from '../../../registry/embedded/registry.js'
import type { Registry } from '../../../registry/registry.js'
import { silentLogger as log } from '../../../runtime/logger.js'
import { Recorder } from '../../support/registry-recorder.js'
import { nodeArguments } from '../../../lab/node.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { repository } from '../../../lab/tools.js'
import { until } from '../../../lab/until.js'

t.setTimeout(120_000)

const writer = join(
  dirname(fileURLToPath(import.meta.url)),
  '../../support/registry-writer-process.ts',
)

interface Writer {
  process: ChildProcess
  lines: string[]
}

function startWriter(args: string[], before = ''): Writer {
  const script = `${before} exec "$0" "$@"`
  const child = spawn('sh', ['-c', script, process.execPath, ...nodeArguments(writer), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const started: Writer = { process: child, lines: [] }
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    started.lines.push(...lines)
  })
  return started
}

async function kill(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close')
  child.kill('SIGKILL')
  await closed
}

const acks = ({ lines }: Writer) => lines.flatMap((line) => (/^ack (.*)/.exec(line) ?? []).slice(1))

function open(folder: string): Promise<Registry> {
  return openEmbedded({ folder, log })
}

const put = (key: string, value = 'v', lease?: string) => ({
  type: 'put' as const,
  key,
  value,
  ...(lease !== undefined && { lease }),
})

t.test('what was acknowledged is there after kill -9, whole', async (t) => {
  const folder = join(temporaryFolder(t), 'registry')
  const acknowledged: string[] = []
  let last = 0
  for (let round = 0; round < 5; round++) {
    const child = startWriter([folder, `r${round}`])
    await until(() => acks(child).length > 300 + round * 150, { deadlineMs: 30_000 })
    await kill(child.process)
    acknowledged.push(...acks(child))
    const registry = await open(folder)
    const { entries, revision } = await registry.list('')
    const there = new Set(entries.map(({ key }) => key))
    t.same(
      acknowledged.filter((key) => !there.has(key)),
      [],
      `round ${round}: none is missing`,
    )
    const halves = [...there].filter((key) => !key.endsWith('-twin') && !there.has(`${key}-twin`))
    t.same(halves, [], 'no commit is there by half')
    t.ok(revision > last, 'the revision goes on')
    t.ok(entries.every((entry) => entry.revision <= revision))
    last = revision
    await registry.close()
  }
  t.comment(`${acknowledged.length} commits acknowledged before 5 kills`)
})

t.test('a store in use is not opened twice', async (t) => {
  const folder = join(temporaryFolder(t), 'registry')
  const child = startWriter([folder, 'web'])
  await until(() => acks(child).length > 0, { deadlineMs: 30_000 })
  await t.rejects(open(folder), { code: 'conflict', message: new RegExp(folder) })
  const before = acks(child).length
  await until(() => acks(child).length > before + 10, { what: 'that the first goes on' })
  await kill(child.process)
  const registry = await open(folder)
  await t.rejects(open(folder), { code: 'conflict' }, 'nor in one process')
  await registry.close()
  t.same(readdirSync(dirname(folder)), ['registry'], 'nothing is left beside it')
})

async function fill(folder: string): Promise<void> {
  // The second opening turns the first one's log into a table file.
  for (const name of ['one', 'two']) {
    const registry = await open(folder)
    for (let i = 0; i < 200; i++) {
      await registry.commit([put(`instances/${name}/i${i}`, `${i}`.repeat(300))])
    }
    await registry.close()
  }
}

function fingerprint(folder: string): Record<string, string> {
  const names = readdirSync(folder).filter((name) => !/^LO(CK|G|G\.old)$/.test(name))
  const hash = (name: string) => createHash('sha256').update(readFileSync(join(folder, name)))
  return Object.fromEntries(names.sort().map((name) => [name, hash(name).digest('hex')]))
}

function largest(folder: string, ending: string): string {
  const files = readdirSync(folder).filter((name) => name.endsWith(ending))
  const sized = files.map((name) => ({ name, size: readFileSync(join(folder, name)).length }))
  const [first] = sized.sort((a, b) => b.size - a.size)
  if (first === undefined) {
    throw new Error(`no ${ending} in ${folder}`)
  }
  return join(folder, first.name)
}

function spoil(path: string, at: number): void {
  const bytes = readFileSync(path)
  const from = Math.floor(bytes.length * at)
  bytes.fill(0x55, from, from + 64)
  writeFileSync(path, bytes)
}

const damages: Record<string, (folder: string) => void> = {
  'a log altered in the middle': (folder) => spoil(largest(folder, '.log'), 0.4),
  'a log altered at its end': (folder) => spoil(largest(folder, '.log'), 0.99),
  'a log cut short': (folder) => {
    const log = largest(folder, '.log')
    truncateSync(log, statSync(log).size - 100)
  },
  'a table file altered': (folder) => spoil(largest(folder, '.ldb'), 0.4),
  'a table file missing': (folder) => rmSync(largest(folder, '.ldb')),
  'the file CURRENT full of nonsense': (folder) => writeFileSync(join(folder, 'CURRENT'), '?\n'),
  'the file CURRENT missing': (folder) => rmSync(join(folder, 'CURRENT')),
  'the manifest cut off': (folder) => {
    const [name = ''] = readdirSync(folder).filter((one) => one.startsWith('MANIFEST'))
    writeFileSync(join(folder, name), '')
  },
}

t.test('a damaged store is refused, and left as it was', async (t) => {
  for (const [name, damage] of Object.entries(damages)) {
    t.test(name, async (t) => {
      const folder = join(temporaryFolder(t), 'registry')
      await fill(folder)
      damage(folder)
      const before = fingerprint(folder)
      for (const time of ['first', 'second']) {
        await t.rejects(open(folder), { code: 'internal', message: new RegExp(folder) }, time)
        t.same(fingerprint(folder), before, 'not a byte of it changed')
      }
      t.same(readdirSync(dirname(folder)), ['registry'])
    })
  }
})

t.test('a disk that takes no more: a clear error, and back by itself', async (t) => {
  const folder = join(temporaryFolder(t), 'registry')
  // No file of its may be larger than this, until the limit is lifted from outside.
  const child = startWriter([folder, 'web', '4000', '2'], 'ulimit -S -f 1200;')
  t.teardown(() => child.process.kill('SIGKILL'))
  await until(() => child.lines.includes('broken'), { deadlineMs: 30_000 })
  const before = acks(child).length
  t.ok(before > 0)
  await until(() => child.lines.includes('disconnected'))
  execFileSync('prlimit', ['--pid', String(child.process.pid), '--fsize=unlimited'])
  await until(() => child.lines.includes('healed'), { deadlineMs: 20_000 })
  await until(() => acks(child).length > before + 300, { deadlineMs: 20_000 })
  const word = (name: string) => child.lines.lastIndexOf(name)
  t.ok(word('listing') > word('disconnected'), 'watchers get a new listing of what it then is')
  t.ok(word('connected') > word('disconnected'))
  await kill(child.process)
  const registry = await open(folder)
  const there = new Set((await registry.list('')).entries.map(({ key }) => key))
  t.same(
    acks(child).filter((key) => !there.has(key)),
    [],
    'nothing acknowledged is missing',
  )
  await registry.close()
})

t.test('a disk that is full at the start is named, and costs nothing of the store', async (t) => {
  const disk = temporaryFolder(t)
  const script = [
    'mount -t tmpfs -o size=256k none "$0" || exit 7',
    'cp -r "$1" "$0/registry" && head -c 1000000 /dev/zero > "$0/more" 2>&-',
    'for disk in full roomy; do',
    '  "$2" --import tsx --input-type=module -e "$3" "$0/registry"',
    '  rm -f "$0/more"',
    'done',
  ].join('\n')
  const program = `
    import { openEmbedded } from './registry/embedded/registry.ts'
    import { silentLogger as log } from './runtime/logger.ts'
    try {
      const registry = await openEmbedded({ folder: process.argv[1], log })
      console.log('opened with', (await registry.list('')).entries.length)
      await registry.close()
    } catch (error) { console.log(error.message) }`
  const folder = join(temporaryFolder(t), 'registry')
  const before = await open(folder)
  await before.commit([{ type: 'put', key: 'routes/a', value: 'x'.repeat(3000) }])
  await before.close()
  const words = ['--mount', '--map-root-user', 'sh', '-c', script, disk, folder]
  const output = execFileSync('unshare', [...words, process.execPath, program], {
    cwd: repository,
    encoding: 'utf8',
  })
  const [full, later] = output.trim().split('\n')
  t.match(full, /the disk is full .*Make room; nothing of it is lost$/)
  t.notMatch(full, /move the folder/)
  t.equal(later, 'opened with 1')
})

t.test('a renewal around the end of a lease is acknowledged and true, or refused', async (t) => {
  const registry = await open(join(temporaryFolder(t), 'registry'))
  t.teardown(() => registry.close())
  const ttlMs = 400
  const outcomes = { renewed: 0, refused: 0, lost: 0 }
  const tryOne = async (key: string, offsetMs: number) => {
    const lease = await registry.grant({ ttlMs, keepAlive: false })
    await registry.commit([put(key, 'v', lease.id)])
    await lease.renew()
    await new Promise((resolve) => setTimeout(resolve, ttlMs + offsetMs))
    try {
      await lease.renew()
    } catch {
      outcomes.refused += 1
      return
    }
    outcomes.renewed += 1
    // What was being written when the renewal came is written once this is.
    await registry.commit([put('instances/u/barrier')])
    outcomes.lost += (await registry.get(key)).entry === undefined ? 1 : 0
  }
  // Some come clearly before the end, some after it, and most around it.
  for (let round = 0; round < 5; round++) {
    const tries = Array.from({ length: 100 }, (_, i) => tryOne(`instances/u/${i}`, (i % 21) - 16))
    await Promise.all(tries)
  }
  t.equal(outcomes.lost, 0, JSON.stringify(outcomes))
  t.ok(outcomes.renewed > 0 && outcomes.refused > 0, JSON.stringify(outcomes))
})

t.test('leases survive a restart, with their full time', async (t) => {
  const folder = join(temporaryFolder(t), 'registry')
  const first = await open(folder)
  const lease = await first.grant({ ttlMs: 1500 })
  await first.commit([put('instances/web/a', 'v', lease.id), put('instances/web/b')])
  await first.close()
  const second = await open(folder)
  const watch = await new Recorder(second, ['instances/']).whenOnline()
  t.same([...watch.known.keys()], ['instances/web/a', 'instances/web/b'])
  const adopted = await second.adopt(lease.id, { ttlMs: 1500, keepAlive: false })
  let lost = false
  void adopted.lost.then(() => (lost = true))
  await until(() => lost, { what: 'its end, as nobody renews it' })
  t.match(watch.changes, [{ type: 'delete', key: 'instances/web/a', expired: true }])
  await second.close()
  const third = await open(folder)
  t.same(
    (await third.list('')).entries.map(({ key }) => key),
    ['instances/web/b'],
  )
  await third.close()
})

t.test('a process that was held up ends no lease that could not be renewed', async (t) => {
  const registry = await open(join(temporaryFolder(t), 'registry'))
  t.teardown(() => registry.close())
  const lease = await registry.grant({ ttlMs: 1000, keepAlive: false })
  await registry.commit([put('instances/web/a', 'v', lease.id)])
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4000)
  const watch = await new Recorder(registry, ['']).whenOnline()
  t.same([...watch.known.keys()], ['instances/web/a'])
  await lease.renew()
  await until(() => watch.changes.length > 0, { what: 'its end, in its own time' })
  t.match(watch.changes, [{ type: 'delete', expired: true }])
})

t.test('commits at once share one write to the disk', async (t) => {
  const registry = await open(join(temporaryFolder(t), 'registry'))
  t.teardown(() => registry.close())
  const count = 5000
  const startedAtMs = performance.now()
  const done = await Promise.all(
    Array.from({ length: count }, (_, i) => registry.commit([put(`instances/web/i${i}`)])),
  )
  const perSecond = Math.round((count / (performance.now() - startedAtMs)) * 1000)
  t.comment(`${perSecond} single commits a second, ${count} at once`)
  const revisions = done.map(({ revision }) => revision)
  t.equal(new Set(revisions).size, count, 'each has a revision of its own')
  t.same(
    revisions,
    [...revisions].sort((a, b) => a - b),
    'in the order of the calls',
  )
})
