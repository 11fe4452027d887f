// Compiles each TypeScript file to a plain module, for the many processes that tests are: one that
// compiles what it imports while it loads it spends a second on that alone.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as esbuild from 'esbuild'
import { COMPILED, replaceFolder, root, SOURCES } from './prepare.mjs'

const FOLDERS = [...SOURCES, 'nginx', 'lab', 'bench', 'test', 'docs']

/** A module finds its neighbours' files by its own address, so it is given its source's. */
const addressOfSource = {
  name: 'address-of-source',
  setup(build) {
    build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const address = JSON.stringify(pathToFileURL(path).href)
      const contents = readFileSync(path, 'utf8').replaceAll('import.meta.url', address)
      return { contents, loader: 'ts' }
    })
  },
}

/** Makes the folder `.compiled` anew, so that nothing is left there of a source that has gone. */
export async function compile() {
  await replaceFolder(join(root, COMPILED), (outdir) =>
    esbuild.build({
      absWorkingDir: root,
      entryPoints: FOLDERS.flatMap(typescriptBelow),
      outdir,
      outbase: root,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      sourcemap: true,
      plugins: [addressOfSource],
      logLevel: 'warning',
    }),
  )
}

function typescriptBelow(folder) {
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => join(folder, name))
}
