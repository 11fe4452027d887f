/** Folders that go when a test ends. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder that goes when the test ends. Its path is short enough for a unix socket in it. */
export function temporaryFolder(t: { teardown(fn: () => void): void }, name = 'test'): string {
  const folder = makeTemporaryFolder(name)
  t.teardown(() => removeFolder(folder))
  return folder
}

export function makeTemporaryFolder(name: string): string {
  return mkdtempSync(join(tmpdir(), `sluice-${name}-`))
}

export function removeFolder(folder: string): void {
  // What was just killed may still be writing.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
}
