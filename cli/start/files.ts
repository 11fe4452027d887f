/** Files that are written together, and put back together when nginx refuses them. */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'

/** Full texts by absolute path. */
export type Files = ReadonlyMap<string, string>

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

/** In its place at once or not at all. */
export function replaceFile(path: string, text: string): void {
  const fresh = `${path}.${process.pid}.new`
  writeFileSync(fresh, text, { mode: 0o644 })
  renameSync(fresh, path)
}

export interface Written {
  /** Paths whose content is another now. */
  changed: string[]
  /** Puts everything back as it was. */
  undo(): void
}

/** Writes only what differs, so that an unchanged configuration keeps its bytes and its times. */
export function writeFiles(files: Files): Written {
  const before = new Map<string, string | undefined>()
  for (const [path, text] of files) {
    const there = readIfThere(path)
    if (there !== text) {
      before.set(path, there)
      replaceFile(path, text)
    }
  }
  return {
    changed: [...before.keys()],
    undo: () => {
      for (const [path, text] of before) {
        if (text === undefined) {
          rmSync(path, { force: true })
        } else {
          replaceFile(path, text)
        }
      }
    },
  }
}
