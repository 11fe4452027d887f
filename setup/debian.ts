/** Packages of Debian, unpacked into a folder. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { debianArchive } from './apt-sources.js'
import { PrivateApt } from './apt.js'
import { runCommand } from './command.js'
import { SetupError } from './errors.js'
import { wrapPrograms } from './wrapper.js'

export type Say = (line: string) => void

export interface UnpackRequest {
  suite: string
  packages: readonly string[]
  into: string
  /** Programs by their path below `into`; each gets a script of its name in `<into>/bin`. */
  programs?: readonly string[]
  /**
   * Last touches, while the folder is not in place yet. `files`: of the packages, which have their
   * versions in their names.
   */
  finish?: (root: string, files: string[]) => Promise<void>
  say: Say
  /** Where the suite's index comes from that several requests share; each reads its own without. */
  index?: (() => Promise<PrivateApt>) | undefined
}

/** Reads the package index of a suite into a folder. */
export async function readIndex(folder: string, suite: string, say: Say): Promise<PrivateApt> {
  const apt = await PrivateApt.create(folder, debianArchive(), suite)
  say(`reading the package index of Debian ${suite}`)
  await apt.update()
  return apt
}

/**
 * Gets Debian packages with the libraries they need and unpacks them into a folder, without root
 * and without changing the host. The folder appears whole or not at all. Callers hold a lock.
 */
export async function unpackDebian(request: UnpackRequest): Promise<void> {
  const { suite, packages, into, say } = request
  const work = `${into}.partial`
  rmSync(work, { recursive: true, force: true })
  try {
    const apt = await (request.index?.() ?? readIndex(join(work, 'apt'), suite, say))
    const wanted = (await apt.resolve(packages)).filter(({ name }) => isNeeded(name, packages))
    say(`downloading ${wanted.length} packages: ${packages.join(', ')} and their libraries`)
    await apt.download(wanted, join(work, 'debs'))
    say(`unpacking into ${into}`)
    const root = join(work, 'root')
    const files = readdirSync(join(work, 'debs')).filter((file) => file.endsWith('.deb'))
    await unpack(join(work, 'debs'), files, root)
    wrapPrograms(root, request.programs ?? [])
    await request.finish?.(root, files.sort())
    rmSync(into, { recursive: true, force: true })
    renameSync(root, into)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Nothing is configured or installed, so of the dependencies only libraries are of use. */
function isNeeded(name: string, requested: readonly string[]): boolean {
  return requested.includes(name) || (/^(lib|zlib|python3)/.test(name) && !/gconv|perl/.test(name))
}

async function unpack(debs: string, files: string[], root: string): Promise<void> {
  mkdirSync(root, { recursive: true })
  for (const name of files) {
    const { code, stderr, startError } = await runCommand('dpkg-deb', [
      '-x',
      join(debs, name),
      root,
    ])
    if (code === 0) {
      continue
    }
    throw new SetupError('unpack_failed', `dpkg-deb -x ${name}: ${startError?.message ?? stderr}`)
  }
  // Programs name their loader by a link that the base system, not a package, brings.
  for (const name of readdirSync(join(root, 'usr')).filter((each) => /^lib\w*$/.test(each))) {
    if (!existsSync(join(root, name))) {
      symlinkSync(join('usr', name), join(root, name))
    }
  }
}
