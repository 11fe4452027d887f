/** What was taken of an nginx.conf → the text of a file for `SLUICE_FILES`. Pure. */
import { stringify } from 'yaml'
import type { Note, Taken } from './taken.js'

function comment(title: string, notes: Note[]): string[] {
  const lines = notes.map(({ at, what, why }) => `#   ${at}: ${what}: ${why}`)
  return lines.length === 0 ? [] : ['#', `# ${title}`, ...new Set(lines)]
}

/** The records as REST has them. */
export function recordsOf({ upstreams, routes }: Taken): object {
  return { upstreams: Object.fromEntries(upstreams), routes: Object.fromEntries(routes) }
}

export function printTaken(taken: Taken, from: string): string {
  const settings = [...taken.settings].map(([name, value]) => `#   ${name}=${value}`)
  const head = [
    `# Taken from ${from} by "sluice import". Put it into the folder that SLUICE_FILES names.`,
    ...['#', '# Settings that go with it:', ...settings],
    ...comment('Taken, with a difference:', taken.differs),
    ...comment('Left alone:', taken.left),
  ].map((line) => line.replace(/[\r\n]+/g, ' '))
  return `${head.join('\n')}\n${stringify(recordsOf(taken), { lineWidth: 0 })}`
}
