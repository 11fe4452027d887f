/** Who imports whom, held to the table in test/support/imports.ts. */
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { GOVERNED, circles, offences, sources } from './support/imports.js'

// It parses every file, which takes a busy machine long.
t.setTimeout(170_000)

const root = dirname(dirname(fileURLToPath(import.meta.url)))

t.test('every import keeps to the table of the design', async (t) => {
  const found = [...sources(root)].flatMap(([path, text]) => offences(path, text))
  t.same(found, [])
})

t.test('no file imports itself by way of others', async (t) => {
  t.same(circles(sources(root)), [])
  const made = new Map([
    ['agent/a.ts', `import { b } from './plan/b.js'`],
    ['agent/plan/b.ts', `import type { C } from '../c.js'`],
    ['agent/c.ts', `import { a } from './a.js'`],
    ['agent/d.ts', `import { a } from './a.js'`],
  ])
  t.same(circles(made), ['agent/a.ts agent/c.ts agent/plan/b.ts'])
})

t.test('what the table forbids is found, however it is written', async (t) => {
  const forbidden: [path: string, text: string][] = [
    ['contract/keys.ts', `import { get } from '../runtime/config/load.js'`],
    ['contract/keys.ts', `import { readFileSync } from 'node:fs'`],
    ['contract/record/policy.ts', `import { Width } from '../table/table.js'`],
    ['runtime/retry.ts', `export * from '../registry/registry.js'`],
    ['registry/http/registry.ts', `import type { Agent } from '../agent/main.js'`],
    ['agent/main.ts', `const it = await import('../controller/main.js')`],
    ['controller/push/pusher.ts', `type A = import('../../agent/labels/sluice-labels.js').Labels`],
    ['controller/state/state.ts', `import type { Pusher } from '../push/pusher.js'`],
    ['controller/api/server.ts', `import { Serving } from '../serving.js'`],
    ['njs/admin/admin-calls.lazy.ts', `import { findUnit } from '../table/lookup.js'`],
    ['njs/attic/draw.ts', `import { arms } from '../choose/split-arms.lazy.js'`],
    ['njs/pick.ts', `import { logger } from '../runtime/logger.js'`],
    ['cli/render.ts', `import { runAgent } from '../agent/main.js'`],
    ['cli/commands/agent.ts', `import { labels } from '../../agent/labels/sluice-labels.js'`],
    ['controller/state/state.ts', `import { Etcd3 } from 'etcd3'`],
    ['controller/main.ts', `import Docker from 'dockerode'`],
    ['controller/state/state.ts', `import swagger from '@fastify/swagger'`],
    ['agent/engine/docker.ts', `import lodash from 'lodash'`],
    ['agent/labels/sluice-labels.ts', `const level = require('classic-level')`],
  ]
  for (const [path, text] of forbidden) {
    t.equal(offences(path, text).length, 1, `${path}: ${text}`)
  }
})

t.test('what the table allows passes', async (t) => {
  const allowed: [path: string, text: string][] = [
    ['registry/etcd/watch.ts', `import { Etcd3 } from 'etcd3'`],
    ['registry/embedded/registry.ts', `import { ClassicLevel } from 'classic-level'`],
    ['agent/register/reconcile.ts', `import type { Registry } from '../../registry/registry.js'`],
    ['controller/api/server.ts', `import swagger from '@fastify/swagger'`],
    ['controller/api/server.ts', `import { Type } from 'typebox'`],
    ['cli/commands/start.ts', `import { runController } from '../../controller/main.js'`],
    ['cli/main.ts', `const { runAgent } = await import('../agent/main.js')`],
    ['runtime/config/load.ts', `// import 'lodash'\nimport { readFileSync } from 'node:fs'`],
  ]
  for (const [path, text] of allowed) {
    t.same(offences(path, text), [], `${path}: ${text}`)
  }
})

t.test('every file opens with a comment that says what lives in it', async (t) => {
  const files = sources(root, [...GOVERNED, 'lab', 'bench', 'test'])
  const without = [...files].filter(([, text]) => !/^(#!.*\n)?(\/\/ |\/\*)/.test(text))
  t.same(
    without.map(([path]) => path),
    [],
  )
})

t.test('a test says in three words or more what it holds', async (t) => {
  const short = (text: string) =>
    [...text.matchAll(/\.test\(\s*(['"`])((?:\\.|(?!\1).)*)\1/gs)]
      .map(([, , title = '']) => title)
      .filter((title) => title.trim().split(/\s+/).length < 3)
  const found = [...sources(root, ['test'])]
    .filter(([path]) => path !== 'test/architecture.test.ts')
    .flatMap(([path, text]) => short(text).map((title) => `${path}: ${title}`))
  t.same(found, [])
  t.same(short("t.test('too short', f)\nt.test(`${kind}: it is\n long`, f)"), ['too short'])
})
