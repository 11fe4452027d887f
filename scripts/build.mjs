// Builds dist/: the command line, and nginx's modules for each engine.
import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as esbuild from 'esbuild'
import { replaceFolder, root } from './prepare.mjs'

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

/**
 * Bundled with ours: Node.js would open its hundreds of files anew at each start, which takes half
 * of a controller's. Its licence goes along.
 */
const BUNDLED = 'typebox'

const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

const node = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: Object.keys(dependencies)
    .filter((name) => name !== BUNDLED)
    .flatMap((name) => [name, `${name}/*`]),
  sourcemap: true,
  // What only some commands import has a file of its own: `sluice drain` need not wait for it.
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
 * The njs engine makes every function of a module anew for each request, called or not. So a file
 * named `*.lazy.ts` exports one function, named as the file, and the build puts all that the file
 * imports inside it, where the first call alone makes it. There are two kinds:
 *
 * - One without parameters answers what is to be called: `hashed()` answers the function that
 *   chooses by a hash, so it is called as `hashed()(choosing)`.
 * - One with parameters is called at once: `samePick(table, target)`.
 */
const LAZY = /[\\/]njs[\\/].*\.lazy\.ts$/

/** `…/two-drawn.lazy.ts` → `twoDrawn` */
const lazyName = (path) =>
  basename(path, '.lazy.ts').replace(/-(\w)/g, (_, letter) => letter.toUpperCase())

/**
 * What a lazy group takes from outside, where it is there: a VM has one exit hook, so it needs one
 * list of what to release; and to ask nginx for its zones costs as much as a read.
 */
const SHARED = { onExit: 'memory/on-exit', zones: 'memory/dict' }

/** The names in SHARED that a bundle of these inputs has. */
const sharedIn = (inputs) =>
  Object.keys(SHARED).filter((name) =>
    Object.keys(inputs).some((path) => path.endsWith(`njs/${SHARED[name]}.ts`)),
  )

/** The group's file as one function: `code` is its bundle, which exports `name`. */
const asFunction = (name, code, outside) => {
  const parameters = new RegExp(`^function ${name}\\(([^)]*)\\)`, 'm').exec(code)[1]
  return [
    ...outside.map((each) => `import { ${each} as ${each}Outside } from './${SHARED[each]}.js'`),
    'let made',
    `export function ${name}(${parameters}) {`,
    'if (made === undefined) made = (function () {',
    code,
    `return ${parameters === '' ? `${name}()` : name} })()`,
    `return ${parameters === '' ? 'made' : `made(${parameters})`}`,
    '}',
  ].join('\n')
}

const takeOutside = (outside) => ({
  name: 'take-outside',
  setup(build) {
    for (const each of outside) {
      const file = SHARED[each].replace('/', '[\\\\/]')
      build.onLoad({ filter: new RegExp(`[\\\\/]njs[\\\\/]${file}\\.ts$`) }, () => {
        return { contents: `export const ${each} = ${each}Outside` }
      })
    }
  },
})

const ignoreLazy = {
  name: 'ignore-lazy',
  setup(build) {
    build.onResolve({ filter: /\.lazy\.js$/ }, ({ path }) => ({ path, external: true }))
  },
}

/** A bundle of this file, with nothing written. */
const bundleOf = (path, plugins) =>
  esbuild.build({
    ...njs,
    absWorkingDir: root,
    entryPoints: [path],
    plugins,
    write: false,
    metafile: true,
    logLevel: 'error',
  })

/**
 * Puts the lazy files inside their functions, all but `self`; `plugins` hold inside them too. A
 * group in a module takes from outside what the module has anyway; a group in a group takes all
 * that is shared.
 */
const putInside = (self, isTop, plugins = []) => ({
  name: 'put-inside',
  setup(build) {
    const ask = async () => {
      if (!isTop) {
        return Object.keys(SHARED)
      }
      const entry = resolve(root, build.initialOptions.entryPoints[0].in)
      return sharedIn((await bundleOf(entry, [ignoreLazy])).metafile.inputs)
    }
    let there
    build.onLoad({ filter: LAZY }, async ({ path }) => {
      if (path === self) {
        return undefined
      }
      const used = sharedIn((await bundleOf(path, [])).metafile.inputs)
      const outside = (await (there ??= ask())).filter((each) => used.includes(each))
      const within = [takeOutside(outside), ...plugins, putInside(path, false, plugins)]
      const inner = await bundleOf(path, within)
      const whole = inner.outputFiles[0].text
      const [exported, name] = /export \{\s*(\w+)\s*\};\s*$/.exec(whole) ?? []
      if (name !== lazyName(path)) {
        throw new Error(`${path} must export one function, ${lazyName(path)}, and types`)
      }
      // What njs itself brings can be imported at the top alone.
      const imports = whole.match(/^import .*$/gm) ?? []
      const code = whole.replace(exported, '').replace(/^import .*$/gm, '')
      return {
        contents: [...imports, asFunction(name, code, outside)].join('\n'),
        resolveDir: njsFolder,
      }
    })
  },
})

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
  const module = (name, plugins = []) => {
    return { ...njs, from: `njs/entry/${name}.ts`, to: `${to}/${name}.js`, plugins }
  }
  const groups = grouped ? [putInside(undefined, true)] : []
  const inStream = [streamZones, ...(grouped ? [putInside(undefined, true, [streamZones])] : [])]
  return [
    module('front', groups),
    module('hop', groups),
    module('judge', groups),
    module('kept-certificate'),
    module('certificate'),
    module('certificate-http3'),
    module('admin', groups),
    module('stream-preflight'),
    module('stream', inStream),
    module('stream-next-socket', inStream),
    module('stream-sni-socket', inStream),
    module('stream-handoff', inStream),
    module('stream-connect', inStream),
    module('stream-rescue', inStream),
    // Called by the controller alone, and with zones of stream{} in what would be its group.
    module('stream-admin', [streamZones]),
  ]
}

/**
 * By engine: QuickJS keeps a VM with all its functions, so groups would cost it memory and nothing
 * else.
 */
export const MODULES = { njs: modules('njs', true), qjs: modules('qjs', false) }

const BUNDLES = [{ ...node, from: 'cli/main.ts', to: 'sluice.js' }, ...MODULES.njs, ...MODULES.qjs]

export async function build() {
  const present = BUNDLES.filter(({ from }) => existsSync(join(root, from)))
  await replaceFolder(join(root, 'dist'), async (fresh) => {
    await Promise.all(present.map((options) => bundle(fresh, options)))
    const licence = join(root, 'node_modules', BUNDLED, 'license')
    copyFileSync(licence, join(fresh, `${BUNDLED}.LICENSE`))
  })
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
