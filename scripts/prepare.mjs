// What `npm start` and `npm test` need before they can do anything else. A fresh clone has no
// packages, so nothing here may import one at the top.
import { createHash } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

export const SOURCES = [
  'contract',
  'runtime',
  'registry',
  'agent',
  'controller',
  'njs',
  'setup',
  'cli',
]
const BUILD_INPUTS = [...SOURCES, 'nginx', 'package.json', 'package-lock.json', 'scripts/build.mjs']

/** Where scripts/compile.mjs puts its modules, below the root. */
export const COMPILED = '.compiled'

/** What `node` is given to run what was compiled of a source; both paths are below the root. */
export function compiledArguments(file) {
  return ['--enable-source-maps', join(COMPILED, file.replace(/\.ts$/, '.js'))]
}

export function requireNode(major) {
  const version = process.versions.node
  if (Number(version.split('.')[0]) >= major) {
    return
  }
  console.error(`sluice needs Node.js ${major} or newer; this is ${version} (${process.execPath}).`)
  process.exit(1)
}

export function install(say) {
  const stamp = join(root, 'node_modules', '.sluice-stamp')
  const wanted = digest(['package-lock.json'])
  if (readIfThere(stamp) === wanted) {
    return
  }
  say('installing packages (npm ci): the first time this takes up to a minute')
  // Every native part ships prebuilt; install scripts would only look for a compiler.
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--include=dev']
  const npm = spawnSync('npm', ['ci', ...flags, '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (npm.error) {
    throw new Error(`npm could not be run: ${npm.error.message}`)
  }
  if (npm.status !== 0) {
    throw new Error('npm ci failed; see above. Is the network up?')
  }
  writeFileSync(stamp, wanted)
}

export async function buildIfStale(say) {
  const stamp = join(root, 'dist', '.stamp')
  const wanted = digest(BUILD_INPUTS)
  if (readIfThere(stamp) === wanted) {
    return
  }
  say('building')
  const { build } = await import('./build.mjs')
  await build()
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, wanted)
}

/** Replaces a folder in one move: a process that runs from it never finds it half-made. */
export async function replaceFolder(folder, make) {
  const fresh = `${folder}.${process.pid}`
  const old = `${fresh}.old`
  try {
    await make(fresh)
    if (existsSync(folder)) {
      renameSync(folder, old)
    }
    renameSync(fresh, folder)
  } finally {
    for (const each of [fresh, old]) {
      rmSync(each, { recursive: true, force: true })
    }
  }
}

function readIfThere(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

function digest(paths) {
  const hash = createHash('sha256')
  for (const file of paths.flatMap(filesBelow)) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0')
  }
  return hash.digest('hex')
}

function filesBelow(path) {
  const full = join(root, path)
  if (!existsSync(full)) {
    return []
  }
  if (path.includes('.')) {
    return [path]
  }
  return readdirSync(full, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length + 1))
    .sort()
}
