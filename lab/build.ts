/** What is built of the sources as they are now. */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { repository } from './tools.js'

let building: Promise<void> | undefined

/**
 * `npm test` has done it; a test that is run alone may find an old build. Once for a process: two
 * builds at a time would write to one folder.
 */
export function buildIfStale(): Promise<void> {
  building ??= build()
  return building
}

async function build(): Promise<void> {
  const prepare = (await import(pathToFileURL(join(repository, 'scripts/prepare.mjs')).href)) as {
    buildIfStale(say: (line: string) => void): Promise<void>
  }
  await prepare.buildIfStale(() => undefined)
}

/** nginx's modules, in `<folder>/njs`. */
export async function putModules(folder: string, engine: 'njs' | 'qjs'): Promise<void> {
  await buildIfStale()
  cpSync(join(repository, 'dist', engine), join(folder, 'njs'), { recursive: true })
}
