/** Valgrind and strace, unpacked on first use. */
import { join } from 'node:path'
import { messageOf } from '../../runtime/errors.js'
import { runCommand } from '../../setup/command.js'
import { toolsFolder, unpackOnce } from '../../lab/tools.js'

/**
 * What counts instructions and calls of the kernel. Paths of programs; `library` is valgrind's own.
 */
export interface Tracers {
  valgrind: string
  vgdb: string
  strace: string
  library: string
}

const PROGRAMS = ['usr/bin/valgrind.bin', 'usr/bin/vgdb', 'usr/bin/strace']

/**
 * Unpacked on first use, beside the other tools; undefined, and said so, where they cannot be had.
 */
export async function ensureTracers(say: (line: string) => void): Promise<Tracers | undefined> {
  const into = join(toolsFolder, 'tracers')
  const at = (name: string): string => join(into, 'bin', name)
  const request = {
    suite: 'trixie',
    packages: ['valgrind', 'strace'],
    into,
    programs: PROGRAMS,
    say,
  }
  try {
    await unpackOnce(request)
  } catch (error) {
    say(`valgrind and strace could not be had: ${messageOf(error)}`)
    return undefined
  }
  const library = join(into, 'usr/libexec/valgrind')
  const tracers = { valgrind: at('valgrind.bin'), vgdb: at('vgdb'), strace: at('strace'), library }
  const env = { ...process.env, VALGRIND_LIB: library }
  const { code, stderr } = await runCommand(tracers.valgrind, ['--tool=none', '/bin/true'], { env })
  if (code === 0) {
    return tracers
  }
  say(`valgrind does not run here: ${stderr}`)
  return undefined
}
