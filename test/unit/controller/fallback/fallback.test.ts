/** The text of the fallback. */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  readdirSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { guardRoute } from '../../../../contract/record/route.js'
import type { Desired, DesiredInstance } from '../../../../controller/state/desired.js'
import { UPSTREAMS_FILE, recoverFallback } from '../../../../controller/fallback/generations.js'
import { FallbackFile } from '../../../../controller/fallback/fallback-file.js'
import { checkConf, sweepTests } from '../../../../controller/fallback/ask-nginx.js'
import { tools } from '../../../../lab/tools.js'
import { renderFallback } from '../../../../controller/fallback/http-fallback.js'
import { seal, unseal } from '../../../../runtime/sealed-file.js'
import {
  literal,
  plain,
  quotedWord,
  verbatim,
} from '../../../../controller/fallback/conf-writer.js'
import { silentLogger } from '../../../../runtime/logger.js'
import { temporaryFolder } from '../../../../lab/temp.js'
import { until } from '../../../../lab/until.js'

/**
 * Tokens as nginx's own reader takes them: words, `"quoted words"`, `;`, `{`, `}`, comments left
 * out.
 */
function tokenise(text: string): string[] {
  const tokens: string[] = []
  let i = 0
  while (i < text.length) {
    const c = text.charAt(i)
    if (/\s/.test(c)) {
      i++
    } else if (c === '#') {
      i = text.indexOf('\n', i)
    } else if (c === ';' || c === '{' || c === '}') {
      tokens.push(c)
      i++
    } else if (c === '"' || c === "'") {
      let end = i + 1
      while (end < text.length && text.charAt(end) !== c) {
        end += text.charAt(end) === '\\' ? 2 : 1
      }
      tokens.push(text.slice(i, end + 1))
      i = end + 1
    } else {
      let end = i
      while (end < text.length && !/[\s;{]/.test(text.charAt(end))) {
        end++
      }
      tokens.push(text.slice(i, end))
      i = end
    }
  }
  return tokens
}

/** Top-level blocks: `upstream sluice_f_web` → its tokens. */
function blocks(tokens: string[]): Array<{ head: string; body: string[] }> {
  const found: Array<{ head: string; body: string[] }> = []
  let depth = 0
  let head: string[] = []
  let body: string[] = []
  for (const token of tokens) {
    if (token === '}') {
      depth--
    }
    if (depth === 0 && token === '}') {
      found.push({ head: head.join(' '), body })
      head = []
      body = []
    } else if (depth === 0 && token !== '{') {
      head.push(token)
    } else if (depth > 0) {
      body.push(token)
    }
    if (token === '{') {
      depth++
    }
    if (depth < 0) {
      throw new Error('unbalanced')
    }
  }
  if (depth !== 0 || head.length > 0) {
    throw new Error('unbalanced')
  }
  return found
}

function desired(
  upstreams: Record<
    string,
    Array<{
      port: number
      weight?: number
      state?: 'up' | 'down'
      metadata?: Record<string, string>
      reason?: string
      maxConns?: number
      backup?: true
    }>
  >,
  routes: Record<string, unknown> = {},
): Desired {
  const made = Object.entries(upstreams).map(([name, list]) => {
    const instances = new Map<string, DesiredInstance>()
    list.forEach(({ port, weight = 1, state = 'up', ...more }, i) => {
      const record = { host: '10.0.0.1', port, weight, state, ...more }
      instances.set(`i${i}`, {
        id: `i${i}`,
        record,
        override: undefined,
        suspect: undefined,
        revision: 1,
      })
    })
    return [name, { name, policy: { balance: 'random' as const }, revision: 1, instances }] as const
  })
  const checked = Object.entries(routes).map(([id, value]) => {
    const record = guardRoute(value)
    if (!record.ok) {
      throw new Error(record.message)
    }
    return [id, { id, record: record.value, revision: 1 }] as const
  })
  return {
    revision: 7,
    upstreams: new Map(made),
    routes: new Map(checked),
    streamRoutes: new Map(),
    certificates: new Map(),
  }
}

const HOP = {
  kind: 'hop' as const,
  socketPath: '/home/x/fallback.sock',
  headersPath: '/home/x/hop-headers.conf',
}

t.test(
  'what is written is what nginx reads: any metadata, any path, reserved words for names',
  async (t) => {
    const state = fc.constantFrom('up' as const, 'down' as const)
    const instance = fc.record({
      port: fc.integer({ min: 1, max: 65535 }),
      weight: fc.integer({ min: 1, max: 1000 }),
      state,
      metadata: fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })),
      reason: fc.string({ unit: 'binary' }),
    })
    const name = fc.oneof(
      fc.constantFrom('default', 'include', 'hostnames', 'volatile'),
      fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/),
    )
    const path = fc.stringMatching(/^\/[A-Za-z0-9_~!$&'()*+,;=:@-]{1,20}$/)
    fc.assert(
      fc.property(
        fc.dictionary(name, fc.array(instance, { maxLength: 4 })),
        path,
        name,
        (upstreams, pathPrefix, to) => {
          const routes = { r: { hosts: ['app.test'], pathPrefix, upstream: to } }
          const found = blocks(
            tokenise(renderFallback(desired(upstreams, routes), ['localhost'], HOP)),
          )
          const up = Object.entries(upstreams).flatMap(([each, list]) => {
            const ports = new Map<number, number>()
            list
              .filter((one) => one.state === 'up')
              .forEach(({ port, weight }) =>
                ports.set(port, Math.max(weight, ports.get(port) ?? 0)),
              )
            return ports.size === 0 ? [] : [[each, ports] as const]
          })
          const made = found.filter(({ head }) => head.startsWith('upstream '))
          t.same(
            made.map(({ head }) => head).sort(),
            up.map(([each]) => `upstream sluice_f_${each}`).sort(),
          )
          for (const [each, ports] of up) {
            const body = made.find(({ head }) => head === `upstream sluice_f_${each}`)?.body ?? []
            const servers = body
              .join(' ')
              .split(' ;')
              .map((line) => line.trim())
              .filter((line) => line.startsWith('server'))
            const wanted = [...ports].map(
              ([port, weight]) =>
                `server 10.0.0.1:${port}${weight === 1 ? '' : ` weight=${weight}`}`,
            )
            t.same(servers.sort(), wanted.sort())
          }
          t.same(
            found.filter(({ head }) => !head.startsWith('upstream ')).map(({ head }) => head),
            [
              'map $sluice_wanted $sluice_fallback',
              'map $host $sluice_fallback_host',
              'server',
              'server',
            ],
          )
          const server = found.at(-1)?.body ?? []
          t.equal(server[server.indexOf('=') + 1], `"${pathPrefix}"`)
        },
      ),
      { numRuns: 150 },
    )
  },
)

t.test('no word of another kind gets into a configuration', async (t) => {
  for (const bad of ['a;b', 'a b', 'a{', 'a\n', '#a', '"', "'", 'ü', '', 'a\\']) {
    t.throws(() => plain(bad))
  }
  for (const bad of ['a"b', 'a\\', 'a\n', 'ü']) {
    t.throws(() => quotedWord(bad))
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      for (const word of [literal(text), verbatim(text)]) {
        t.same(tokenise(`${word.text};`), [word.text, ';'])
      }
      t.notMatch(literal(text).text, /\$(?!\{sluice_f_dollar\})/)
      t.notMatch(verbatim(text).text, /[^\P{Cc}\t\n\r]/u)
    }),
  )
  const evil = desired({ web: [{ port: 80 }] })
  const instance = evil.upstreams.get('web')?.instances.get('i0')
  if (instance) {
    instance.record.host = '10.0.0.1; } server {'
  }
  t.throws(() => renderFallback(evil, ['localhost'], HOP))
})

t.test('weights, limits and backups, as nginx takes them', async (t) => {
  const state = desired(
    {
      web: [
        { port: 80, weight: 3, maxConns: 9 },
        { port: 81, backup: true, weight: 2, maxConns: 4 },
      ],
      spare: [
        { port: 82, backup: true },
        { port: 83, state: 'down' },
      ],
    },
    {
      s: {
        hosts: ['s.test'],
        split: [
          { upstream: 'web', weight: 1 },
          { upstream: 'spare', weight: 3 },
        ],
      },
    },
  )
  const text = renderFallback(state, ['localhost'], HOP)
  const servers = (name: string) =>
    blocks(tokenise(text))
      .find(({ head }) => head === `upstream ${name}`)
      ?.body.join(' ')
      .match(/10[^;]*(?= ;)/g)
  t.same(servers('sluice_f_web'), [
    '10.0.0.1:80 weight=3 max_conns=9',
    '10.0.0.1:81 weight=2 max_conns=4 backup',
  ])
  t.same(servers('sluice_f_spare'), ['10.0.0.1:82'], 'nothing but backups: they serve')
  t.same(servers('sluice_s_s'), [
    '10.0.0.1:80 weight=2500 max_conns=9',
    '10.0.0.1:82 weight=7500',
    '10.0.0.1:81 weight=2 max_conns=4 backup',
  ])
})

t.test('a seal shows whether a file is what was written', async (t) => {
  const text = seal('upstream x {}\n', 7)
  t.same(unseal(text), { body: 'upstream x {}\n', revision: 7 })
  for (const bad of [
    '',
    text.slice(0, -1),
    `${text}x`,
    text.replace('format 1', 'format 2'),
    text.replace('x', 'y'),
  ]) {
    t.equal(unseal(bad), undefined)
  }
})

interface Rig {
  fallback: FallbackFile
  body: { text: string }
  errors: string[]
  refuse: { check: boolean; apply: boolean }
  /** Whether the table is behind, and how often the file was rendered. */
  table: { isBehind: boolean; asked: number }
  renders: () => number
  applied: string[]
  read: () => string
}

function rig(t: Tap, folder: string, emptyHoldMs = 0): Rig {
  const body = { text: 'upstream a {}\n' }
  const errors: string[] = []
  const refuse = { check: false, apply: false }
  const applied: string[] = []
  const table = { isBehind: false, asked: 0 }
  let renders = 0
  const fallback = new FallbackFile({
    file: UPSTREAMS_FILE,
    folder,
    stateFolder: folder,
    log: silentLogger,
    render: () => {
      const text = body.text
      renders += 1
      const check = async () => {
        if (refuse.check) {
          throw new Error('refused')
        }
      }
      return { body: text, revision: 5, check }
    },
    apply: async () => {
      if (refuse.apply) {
        throw new Error('not reloaded')
      }
      applied.push(unseal(readFileSync(join(folder, UPSTREAMS_FILE.name), 'utf8'))?.body ?? '')
    },
    isBusy: () => {
      table.asked += 1
      return table.isBehind
    },
    isTrusted: () => true,
    onWritten: () => undefined,
    debounceMs: 1,
    minIntervalMs: 1,
    emptyHoldMs,
    onError: (step) => errors.push(step),
  })
  t.teardown(() => fallback.close())
  const read = () =>
    unseal(readFileSync(join(folder, UPSTREAMS_FILE.name), 'utf8'))?.body ?? 'damaged'
  return { fallback, body, errors, refuse, applied, read, table, renders: () => renders }
}
type Tap = { teardown(fn: () => unknown): void }

t.test('written when it changes, whole, with the one before beside it', async (t) => {
  const folder = join(temporaryFolder(t), 'fallback')
  const { fallback, body, applied, read } = rig(t, folder)
  fallback.offer()
  await until(() => read() === body.text)
  t.equal(statSync(join(folder, UPSTREAMS_FILE.name)).mode & 0o777, 0o640)
  const { mtimeMs } = statSync(join(folder, UPSTREAMS_FILE.name))
  fallback.offer()
  body.text = 'upstream a {}\nupstream b {}\n'
  fallback.offer()
  await until(() => applied.length === 2)
  t.ok(statSync(join(folder, UPSTREAMS_FILE.name)).mtimeMs >= mtimeMs)
  t.match(readFileSync(join(folder, `${UPSTREAMS_FILE.name}.previous`), 'utf8'), /upstream a/)
  await fallback.close()
  const again = rig(t, folder)
  again.body.text = body.text
  again.fallback.offer()
  await until(() => again.fallback.revision > 0)
  t.same(again.applied, [], 'nginx has it already')
  t.same(
    readdirSync(folder).filter((name) => name.endsWith('.tmp')),
    [],
  )
})

t.test(
  'a refused, unreloaded or unwritable file leaves the old one, and is tried again',
  async (t) => {
    const folder = join(temporaryFolder(t), 'fallback')
    const { fallback, body, errors, refuse, read } = rig(t, folder)
    fallback.offer()
    await until(() => fallback.revision > 0)
    const old = body.text
    refuse.check = true
    body.text = 'upstream b {}\n'
    fallback.offer()
    await until(() => errors.length > 0)
    t.equal(read(), old)
    refuse.check = false
    refuse.apply = true
    await until(() => fallback.error === 'not reloaded')
    t.equal(read(), old)
    refuse.apply = false
    await until(() => fallback.error === undefined)
    t.equal(read(), body.text)

    rmSync(folder, { recursive: true })
    writeFileSync(folder, 'in the way')
    body.text = 'upstream c {}\n'
    fallback.offer()
    await until(() => fallback.error !== undefined)
    rmSync(folder)
    mkdirSync(folder)
    await until(() => read() === body.text)
  },
)

t.test('while the table is behind, the file waits', async (t) => {
  const folder = join(temporaryFolder(t), 'fallback')
  const { fallback, read, table, renders } = rig(t, folder)
  table.isBehind = true
  fallback.offer()
  await until(() => table.asked >= 3)
  t.equal(renders(), 0)
  table.isBehind = false
  await until(() => read() !== 'damaged')
  t.ok(renders() > 0)
})

t.test('an empty state does not replace a full file at once', async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, UPSTREAMS_FILE.name), seal('upstream a {}\n', 3))
  const held = rig(t, folder, 60_000)
  held.body.text = 'map {}\n'
  held.fallback.offer()
  await held.fallback.close()
  t.equal(held.read(), 'upstream a {}\n')
  const later = rig(t, folder, 0)
  later.body.text = 'map {}\n'
  later.fallback.offer()
  await until(() => later.read() === 'map {}\n')
})

t.test('a damaged file is replaced by the one before, or put aside', async (t) => {
  const [folder, stateFolder] = [temporaryFolder(t), temporaryFolder(t)]
  const path = join(folder, UPSTREAMS_FILE.name)
  const kept = join(stateFolder, UPSTREAMS_FILE.name)
  const recover = () =>
    recoverFallback({ folder, stateFolder, file: UPSTREAMS_FILE, log: silentLogger })
  t.equal(await recover(), undefined)
  writeFileSync(path, 'zeros')
  t.equal(await recover(), undefined)
  t.equal(readFileSync(`${kept}.damaged`, 'utf8'), 'zeros')
  t.same(readdirSync(folder), [], 'nothing else is where nginx reads')
  writeFileSync(`${kept}.previous`, seal('upstream a {}\n', 3))
  writeFileSync(path, seal('upstream b {}\n', 4).slice(0, -3))
  t.equal(await recover(), 'upstream a {}\n')
  t.equal(readFileSync(path, 'utf8'), seal('upstream a {}\n', 3))
})

t.test('keys under test never leave the home, and what a killed test left is swept', async (t) => {
  const home = temporaryFolder(t, 'trial')
  const { nginx } = await tools()
  let folder = ''
  const render = async (given: string) => {
    folder = given
    t.equal(statSync(join(home, 'run')).mode & 0o777, 0o700)
    return '# -----BEGIN PRIVATE KEY-----\n'
  }
  await checkConf({ nginx: nginx.path, home, isHop: true }, render)
  t.equal(dirname(folder), join(home, 'run'))
  t.notOk(existsSync(folder), 'it is gone')
  mkdirSync(folder)
  writeFileSync(join(folder, 'candidate.conf'), 'a key')
  writeFileSync(join(home, 'run/nginx.pid'), '1')
  await sweepTests(home)
  t.same(readdirSync(join(home, 'run')), ['nginx.pid'])
  await t.resolves(sweepTests(join(home, 'not-there')))
})
