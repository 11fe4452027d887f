/** A small file system of its own, so that a full disk is a real one. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../lab/temp.js'

export interface SmallDisk {
  /** Takes all that is left. */
  fill(): void
  /** Gives it back. */
  clear(): void
}

const OPTIONS = (bytes: number): string[] => [
  '-t',
  'tmpfs',
  '-o',
  `size=${bytes},mode=1777`,
  'none',
]

/**
 * Where the disk is mounted, as others see it. Who is not root mounts it in a name space of a
 * process that does nothing else.
 */
async function mount(t: Parameters<typeof temporaryFolder>[0], bytes: number): Promise<string> {
  const folder = temporaryFolder(t, 'disk')
  chmodSync(folder, 0o755)
  if (process.getuid?.() === 0) {
    execFileSync('mount', [...OPTIONS(bytes), folder])
    t.teardown(() => void execFileSync('umount', ['--lazy', folder]))
    return folder
  }
  const script = `mount ${OPTIONS(bytes).join(' ')} "$0" && echo ready && exec sleep 600`
  const words = ['--mount', '--map-root-user', 'sh', '-c', script, folder]
  const holder = spawn('unshare', words, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => void holder.kill('SIGKILL'))
  await once(holder.stdout, 'data')
  return `/proc/${holder.pid}/root${folder}`
}

/** Puts a disk of `bytes` in the place of `folder`, which is lost. */
export async function smallDisk(
  t: Parameters<typeof temporaryFolder>[0],
  folder: string,
  bytes: number,
): Promise<SmallDisk> {
  const at = await mount(t, bytes)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, '..'), { recursive: true })
  symlinkSync(at, folder)
  const rest = join(at, 'rest')
  return {
    fill: () => {
      try {
        writeFileSync(rest, Buffer.alloc(bytes))
      } catch {
        // Now it is full.
      }
    },
    clear: () => unlinkSync(rest),
  }
}
