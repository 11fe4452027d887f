/** Every source of an agent holds what source-suite.ts says, against the real thing. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FilesSource } from '../../agent/sources/files/files-source.js'
import { temporaryFolder } from '../../lab/temp.js'
import { sourceConformance } from '../support/source-suite.js'
import type { SourceDriver, SuiteEntry } from '../support/source-suite.js'

/** A file for each entry, written as editors do: beside it, and then in its place. */
async function filesDriver(t: Test): Promise<SourceDriver> {
  const folder = join(temporaryFolder(t, 'files'), 'upstreams')
  await mkdir(folder)
  const write = async (name: string, text: string) => {
    await writeFile(join(folder, `.${name}.swp`), text)
    await rename(join(folder, `.${name}.swp`), join(folder, `${name}.yaml`))
  }
  const put = ({ name, upstream, host, port }: SuiteEntry) =>
    write(name, `upstreams: {${upstream}: {instances: [{host: ${host}, port: ${port}}]}}\n`)
  return {
    open: (agent) =>
      new FilesSource({ folder, agent, addresses: { allowLoopback: false }, pollMs: 20 }),
    put: async (entries) => {
      await Promise.all(entries.map(put))
    },
    remove: (name) => rm(join(folder, `${name}.yaml`)),
    garbage: (name) => write(name, 'upstreams: {web: {instances: [{host: nowhere}]}}\n'),
    away: () => rename(folder, `${folder}.away`),
    back: () => rename(`${folder}.away`, folder),
    wipe: async () => {
      await rm(folder, { recursive: true })
      await mkdir(folder)
    },
  }
}

sourceConformance(t, 'files', filesDriver)
