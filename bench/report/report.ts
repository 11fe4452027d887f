/** What a part of the bench is given, and what it yields. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What one part found: a table to read and the numbers behind it. */
export interface PartResult {
  title: string
  /** What was done to get it, in a sentence or two. */
  how: string
  columns: string[]
  rows: string[][]
  /** Anything that a reader must know to read the table rightly. */
  notes: string[]
  /** All figures with their units in their names. */
  numbers: Record<string, unknown>
}

export interface Part {
  name: string
  /** Another name by which it may be called. */
  alias?: string
  about: string
  run(bench: Bench): Promise<PartResult>
}

export interface Bench {
  /** A folder for this part that goes when it is done. */
  folder: string
  say(line: string): void
  /** Run last to first when the part is done, however it ended. */
  onEnd(close: () => Promise<void> | void): void
}

export function markdown(finding: PartResult): string {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`
  const lines = [`### ${finding.title}`, '', finding.how, '', line(finding.columns)]
  lines.push(line(finding.columns.map(() => '---')), ...finding.rows.map(line))
  if (finding.notes.length > 0) {
    lines.push('', ...finding.notes.map((note) => `- ${note}`))
  }
  return `${lines.join('\n')}\n`
}

/** Writes all figures of a run as JSON; returns the file's path. */
export function writeResults(folder: string, results: unknown): string {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${new Date().toISOString().replaceAll(':', '-')}.json`)
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`)
  return file
}
