import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as esbuild from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

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
  // What only some commands import, most of all packages, has a file of its own: `sluice drain` need not wait for it.
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

/** `rest`, which makes what is inside when it is first called, and where a VM serves several requests keeps it. */
const keptRest = (code) =>
  `export function rest() {\nif (made === undefined) made = (function () {\n${code}\nreturn rest() })()\nreturn made\n}`

/**
 * The njs engine makes every function at the top of a module anew for each request. This puts what these files import
 * inside their one function, where it is made only when that is called. QuickJS keeps it.
 */
const INSIDE = {
  'rare.ts': {
    header: '',
    footer: (code) => `export function rare(r) {\n${code}\nreturn rare(r)\n}`,
  },
  'hop-rest.ts': {
    // A VM has one exit hook: what is held inside is held by the one list outside.
    hold: 'heldOutside',
    header: "import { hold as heldOutside } from './hold.js'\nlet made\n",
    footer: keptRest,
  },
  'admin-delta.ts': { header: 'let made\n', footer: keptRest },
  'admin-rest.ts': { header: 'let made\n', footer: keptRest },
}

/** In place of njs/hold.ts, for what is put inside. */
const holdOutside = (name) => ({
  name: 'hold-outside',
  setup(build) {
    build.onLoad({ filter: /[\\/]njs[\\/]hold\.ts$/ }, () => {
      return name === undefined ? undefined : { contents: `export const hold = ${name}` }
    })
  },
})

const putInside = {
  name: 'put-inside',
  setup(build) {
    const names = Object.keys(INSIDE).join('|').replaceAll('.', '\\.')
    build.onLoad({ filter: new RegExp(`[\\\\/]njs[\\\\/](${names})$`) }, async ({ path }) => {
      const { hold, header, footer } = INSIDE[basename(path)]
      const plugins = [holdOutside(hold)]
      const inner = await esbuild.build({ ...njs, entryPoints: [path], plugins, write: false })
      const whole = inner.outputFiles[0].text.replace(/export \{\s*\w+\s*\};\s*$/, '')
      // What njs itself brings can be imported at the top alone.
      const imports = whole.match(/^import .*$/gm) ?? []
      const code = whole.replace(/^import .*$/gm, '')
      const contents = [...imports, header + footer(code)].join('\n')
      return { contents, resolveDir: dirname(path) }
    })
  },
}

/** nginx shares no zone between http{} and stream{}, so what runs in stream{} has zones of its own. */
const streamZones = {
  name: 'stream-zones',
  setup(build) {
    build.onResolve({ filter: /^\.{1,2}\/dict\.js$/ }, () => {
      return { path: join(root, 'njs/stream-dict.ts') }
    })
  },
}

export const BUNDLES = [
  { ...node, from: 'cli/main.ts', to: 'sluice.js' },
  { ...njs, from: 'njs/main.ts', to: 'njs/sluice.js', plugins: [putInside] },
  { ...njs, from: 'njs/hop-main.ts', to: 'njs/hop.js', plugins: [putInside] },
  { ...njs, from: 'njs/certificate-main.ts', to: 'njs/certificate.js' },
  { ...njs, from: 'njs/certificate-http3-main.ts', to: 'njs/certificate-http3.js' },
  { ...njs, from: 'njs/admin-main.ts', to: 'njs/admin.js', plugins: [putInside] },
  { ...njs, from: 'njs/stream-main.ts', to: 'njs/stream.js', plugins: [streamZones] },
  { ...njs, from: 'njs/ask-main.ts', to: 'njs/ask.js' },
  { ...njs, from: 'njs/way-main.ts', to: 'njs/way.js', plugins: [streamZones] },
  { ...njs, from: 'njs/named-main.ts', to: 'njs/named.js', plugins: [streamZones] },
  { ...njs, from: 'njs/handed-main.ts', to: 'njs/handed.js', plugins: [streamZones] },
  { ...njs, from: 'njs/kept-main.ts', to: 'njs/kept.js', plugins: [streamZones] },
  { ...njs, from: 'njs/stream-admin-main.ts', to: 'njs/stream-admin.js', plugins: [streamZones] },
]

/** Replaces dist/ in one move: an nginx that runs from it never finds it half-built. */
export async function build() {
  const dist = join(root, 'dist')
  const fresh = `${dist}.${process.pid}`
  const old = `${fresh}.old`
  try {
    const present = BUNDLES.filter(({ from }) => existsSync(join(root, from)))
    await Promise.all(present.map((options) => bundle(fresh, options)))
    copyConf(join(fresh, 'nginx'))
    if (existsSync(dist)) renameSync(dist, old)
    renameSync(fresh, dist)
  } finally {
    for (const folder of [fresh, old]) rmSync(folder, { recursive: true, force: true })
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

function copyConf(target) {
  const source = join(root, 'nginx')
  if (!existsSync(source)) return
  mkdirSync(target, { recursive: true })
  for (const name of readdirSync(source).filter((file) => file.endsWith('.conf'))) {
    cpSync(join(source, name), join(target, name))
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await build()
