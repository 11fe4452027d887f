/** How Node.js is started on a TypeScript file of this repository. */
import { join, relative, sep } from 'node:path'
import { repository } from './tools.js'

/** Where `npm test` puts what it has compiled: scripts/compile.mjs. */
const COMPILED = join(repository, '.compiled') + sep

/**
 * The arguments of `node` that run a file as this process itself is run: compiled before by
 * `npm test`, or compiled by tsx while it is loaded. `file`: the path of the source.
 */
export function nodeArguments(file: string): string[] {
  if (process.argv[1]?.startsWith(COMPILED)) {
    const compiled = relative(repository, file).replace(/\.ts$/, '.js')
    return [...process.execArgv, join(COMPILED, compiled)]
  }
  return ['--import', 'tsx', file]
}
