/** Files that are written together, and put back together when nginx refuses them. */
import { rmSync } from 'node:fs'
import { readIfThereSync, writeWholeSync } from '../../runtime/whole-file.js'

/** Full texts by absolute path. */
export type Files = ReadonlyMap<string, string>

const MODE = 0o644

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
    const there = readIfThereSync(path)
    if (there !== text) {
      before.set(path, there)
      writeWholeSync(path, text, MODE)
    }
  }
  return {
    changed: [...before.keys()],
    undo: () => {
      for (const [path, text] of before) {
        if (text === undefined) {
          rmSync(path, { force: true })
        } else {
          writeWholeSync(path, text, MODE)
        }
      }
    },
  }
}
