/**
 * `npm run bench [-- [--plot] part …]`: measures, prints a table for each part, and writes all
 * figures to bench/results; with --plot draws docs/bench.svg too.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../runtime/errors.js'
import { tools } from '../lab/tools.js'
import { describeMachine, printMachine } from './report/machine.js'
import { writePlot } from './report/plot.js'
import { markdown, writeResults } from './report/report.js'
import type { Part } from './report/report.js'
import { sized } from './rig/sized.js'
import { PARTS, runPart } from './run.js'

const PLOT = '--plot'
/** A plot is of the newest figures, and must not be of those that mean nothing. */
const RESULTS = join(dirname(fileURLToPath(import.meta.url)), sized('results', 'results/small'))

function choose(names: string[]): Part[] {
  const isNamed = ({ name, alias = name }: Part): boolean =>
    names.includes(name) || names.includes(alias)
  const unknown = names.find((one) => !PARTS.some(({ name, alias }) => [name, alias].includes(one)))
  if (unknown === undefined) {
    return PARTS.filter((part) => names.length === 0 || isNamed(part))
  }
  const known = PARTS.map(({ name, about }) => `  ${name.padEnd(15)}${about}`).join('\n')
  throw new Error(`no part is named ${JSON.stringify(unknown)}; there are:\n${known}`)
}

async function main(args: string[]): Promise<number> {
  const names = args.filter((arg) => arg !== PLOT)
  const parts = choose(names)
  const { nginx } = await tools((line) => console.error(line))
  const machine = describeMachine(nginx)
  console.log(`## Sluice, measured\n\n${printMachine(machine)}\n`)
  const results: Record<string, unknown> = {}
  const failed: string[] = []
  for (const part of parts) {
    const startedAtMs = Date.now()
    try {
      const finding = await runPart(part)
      results[part.name] = { ...finding, tookMs: Date.now() - startedAtMs }
      console.log(markdown(finding))
    } catch (error) {
      // The other parts do not depend on it.
      failed.push(part.name)
      console.error(
        `${part.name} failed: ${error instanceof Error ? (error.stack ?? '') : messageOf(error)}`,
      )
    }
  }
  const file = writeResults(RESULTS, { atMs: Date.now(), machine, results, failed })
  console.error(`all figures: ${file}`)
  if (args.includes(PLOT)) {
    console.error(`plot: ${writePlot() ?? 'nothing to draw'}`)
  }
  return failed.length === 0 ? 0 : 1
}

try {
  process.exit(await main(process.argv.slice(2)))
} catch (error) {
  console.error(messageOf(error))
  process.exit(2)
}
