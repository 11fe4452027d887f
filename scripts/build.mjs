// Builds dist/: the command line, and nginx's modules for each engine.
import { existsSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as esbuild from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const njsFolder = join(root, 'njs')

// What the njs engine cannot parse. Naming it here makes esbuild refuse it (or lower it where it
// can), so a bundle that was built is a bundle that both engines load.
const NJS_LACKS = [
  'array-spread',
  'bigint',
  'class',
  'class-field',
  'default-argument',
  'destructuring',
  'dynamic-import',
  'for-await',
  'for-of',
  'generator',
  'logical-assignment',
  'new-target',
  'object-rest-spread',
  'optional-catch-binding',
  'optional-chain',
  'regexp-dot-all-flag',
  'top-level-await',
]

const node = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  sourcemap: true,
  // What only some commands import, most of all packages, has a file of its own: `sluice drain`
  // need not wait for it.
  splitting: true,
  banner: { js: '#!/usr/bin/env node' },
}

export const njs = {
  bundle: true,
  platform: 'neutral',
  format: 'esm',
  target: 'es2020',
  charset: 'utf8',
  supported: Object.fromEntries(NJS_LACKS.map((feature) => [feature, false])),
  // njs brings this module itself.
  external: ['fs'],
}

/**
 * The njs engine makes every function of a module anew for each request, called or not. So each of
 * these files exports one function, and the build puts all that the file imports inside it, where
 * it is made by the first call alone. `outside`: what it shares with whoever imports it.
 */
const INSIDE = {
  'front/front-rare.ts': { name: 'rare', isCalled: true, outside: ['zones'] },
  'front/recheck-and-log.ts': { name: 'told', outside: ['zones'] },
  'front/ruled-upstream.ts': { name: 'ruled', outside: ['hold'] },
  'front/ruled-rare.ts': { name: 'frontSeldom', outside: ['hold'] },
  'front/marked-slots.ts': { name: 'marked', outside: ['hold'] },
  'choose/split-arm.ts': { name: 'arms', outside: [] },
  'table/lookup-rare.ts': { name: 'seldom', outside: [] },
  'choose/policy/others.ts': { name: 'others', outside: [] },
  'choose/policy/two-drawn.ts': { name: 'lesser', outside: [] },
  'choose/policy/least-conn.ts': { name: 'leastConn', outside: [] },
  'choose/policy/hashed.ts': { name: 'hashed', outside: [] },
  'choose/policy/session-key.ts': { name: 'sessions', outside: [] },
  'stream/rare.ts': { name: 'rest', outside: ['hold', 'zones'] },
  'hop/rare.ts': { name: 'rest', outside: ['hold', 'zones'] },
  'admin/delta.ts': { name: 'rest', outside: [] },
  'admin/calls.ts': { name: 'rest', outside: [] },
}

/**
 * What can be outside: a VM has one exit hook, so one list of what it holds; and nginx's zones are
 * dear to ask for twice.
 */
const SHARED = { hold: 'memory/on-exit.js', zones: 'memory/dict.js' }

/** `name` as the file exports it; with its result kept, or called each time with the request. */
const inside = ({ name, isCalled, outside }, code) =>
  [
    ...outside.map((each) => `import { ${each} as ${each}Outside } from './${SHARED[each]}'`),
    'let made',
    `export function ${name}(${isCalled ? 'r, value' : ''}) {`,
    'if (made === undefined) made = (function () {',
    code,
    `return ${isCalled ? name : `${name}()`} })()`,
    `return ${isCalled ? 'made(r, value)' : 'made'}`,
    '}',
  ].join('\n')

const takeOutside = (outside) => ({
  name: 'take-outside',
  setup(build) {
    for (const each of outside) {
      const file = SHARED[each].replace(/\.js$/, '\\.ts')
      build.onLoad({ filter: new RegExp(`[\\\\/]njs[\\\\/]${file}$`) }, () => {
        return { contents: `export const ${each} = ${each}Outside` }
      })
    }
  },
})

/** `but`: whom it is about to put inside. */
const putInsideAllBut = (but) => ({
  name: 'put-inside',
  setup(build) {
    const names = Object.keys(INSIDE).join('|').replaceAll('.', '\\.')
    build.onLoad({ filter: new RegExp(`[\\\\/]njs[\\\\/](${names})$`) }, async ({ path }) => {
      if (path === but) {
        return undefined
      }
      const how = INSIDE[relative(njsFolder, path)]
      const plugins = [takeOutside(how.outside), putInsideAllBut(path)]
      const inner = await esbuild.build({ ...njs, entryPoints: [path], plugins, write: false })
      const whole = inner.outputFiles[0].text.replace(/export \{\s*\w+\s*\};\s*$/, '')
      // What njs itself brings can be imported at the top alone.
      const imports = whole.match(/^import .*$/gm) ?? []
      const code = whole.replace(/^import .*$/gm, '')
      return { contents: [...imports, inside(how, code)].join('\n'), resolveDir: njsFolder }
    })
  },
})

const putInside = putInsideAllBut(undefined)

/**
 * nginx shares no zone between http{} and stream{}, so what runs in stream{} has zones of its own.
 */
const streamZones = {
  name: 'stream-zones',
  setup(build) {
    build.onResolve({ filter: /^(\.{1,2}\/)+(memory\/)?dict\.js$/ }, () => {
      return { path: join(root, 'njs/memory/stream-dict.ts') }
    })
  },
}

/** nginx's modules, each as `<to>/<name>.js`; `grouped`: for the njs engine. */
const modules = (to, grouped) => {
  const module = (from, name, plugins = []) => {
    return { ...njs, from: `njs/${from}.ts`, to: `${to}/${name}.js`, plugins }
  }
  const groups = grouped ? [putInside] : []
  const inStream = [streamZones, ...groups]
  return [
    module('entry/front', 'sluice', groups),
    module('entry/hop', 'hop', groups),
    module('entry/certificate', 'certificate'),
    module('entry/certificate-http3', 'certificate-http3'),
    module('entry/admin', 'admin', groups),
    module('entry/stream-preflight', 'ask'),
    module('entry/stream', 'stream', inStream),
    module('entry/stream-route', 'way', inStream),
    module('entry/stream-named', 'named', inStream),
    module('entry/stream-received', 'handed', inStream),
    module('entry/stream-connect', 'kept', inStream),
    // Called by the controller alone, and with zones of stream{} in what would be its group.
    module('entry/stream-admin', 'stream-admin', [streamZones]),
  ]
}

/**
 * By engine: QuickJS keeps a VM with all its functions, so groups would cost it memory and nothing
 * else.
 */
export const MODULES = { njs: modules('njs', true), qjs: modules('qjs', false) }

const BUNDLES = [{ ...node, from: 'cli/main.ts', to: 'sluice.js' }, ...MODULES.njs, ...MODULES.qjs]

/** Replaces dist/ in one move: an nginx that runs from it never finds it half-built. */
export async function build() {
  const dist = join(root, 'dist')
  const fresh = `${dist}.${process.pid}`
  const old = `${fresh}.old`
  try {
    const present = BUNDLES.filter(({ from }) => existsSync(join(root, from)))
    await Promise.all(present.map((options) => bundle(fresh, options)))
    if (existsSync(dist)) {
      renameSync(dist, old)
    }
    renameSync(fresh, dist)
  } finally {
    for (const folder of [fresh, old]) {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

export function bundle(folder, { from, to, ...options }) {
  return esbuild.build({
    ...options,
    absWorkingDir: root,
    entryPoints: [{ in: from, out: to.replace(/\.js$/, '') }],
    outdir: folder,
    logLevel: 'warning',
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await build()
}
