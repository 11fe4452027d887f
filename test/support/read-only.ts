/** A folder that takes no changes for a while. */
import { execFileSync } from 'node:child_process'
import { chmodSync } from 'node:fs'

/** Until the test ends, or what is returned is called. Root is kept out by a mount of its own. */
export function readOnly(t: { teardown(fn: () => void): void }, folder: string): () => void {
  const isRoot = process.getuid?.() === 0
  if (isRoot) {
    execFileSync('mount', ['--bind', folder, folder])
    execFileSync('mount', ['-o', 'remount,ro,bind', folder])
  } else {
    chmodSync(folder, 0o555)
  }
  let isUndone = false
  const undo = (): void => {
    if (!isUndone) {
      isUndone = true
      if (isRoot) {
        execFileSync('umount', ['--lazy', folder])
      } else {
        chmodSync(folder, 0o711)
      }
    }
  }
  t.teardown(undo)
  return undo
}
