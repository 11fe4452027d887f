/**
 * `npm run bench [-- [--plot] part …]`: measures, prints a table for each part, and writes all figures to bench/results;
 * with --plot draws docs/bench.svg too.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../runtime/errors.js'
import { makeTemporaryFolder, removeFolder } from '../test/support/temp.js'
import { tools } from '../test/support/tools.js'
import { applyPart } from './apply.js'
import { changesPart } from './changes.js'
import { checksPart } from './checks.js'
import { churnPart } from './churn.js'
import { describeMachine, printMachine } from './machine.js'
import { fairnessPart } from './fairness.js'
import { handshakePart } from './handshake.js'
import { latencyPart } from './latency.js'
import { luaPart } from './lua.js'
import { instructionsPart } from './instructions.js'
import { manyPart } from './many.js'
import { memoryPart } from './memory.js'
import { peersPart } from './peers.js'
import { pickPart } from './pick.js'
import { writePlot } from './plot.js'
import { reloadPart } from './reload.js'
import { markdown, writeResults } from './report.js'
import type { Finding, Part } from './report.js'
import { routesPart } from './routes.js'
import { scalePart } from './scale.js'
import { slowOnePart } from './slow-one.js'
import { tcpPart } from './tcp.js'
import { throughputPart } from './throughput.js'
import { visiblePart } from './visible.js'
import { waysPart } from './ways.js'
import { workersPart } from './workers.js'

const PARTS = [
  visiblePart,
  changesPart,
  reloadPart,
  throughputPart,
  workersPart,
  latencyPart,
  churnPart,
  luaPart,
  peersPart,
  instructionsPart,
  applyPart,
  pickPart,
  checksPart,
  scalePart,
  routesPart,
  waysPart,
  handshakePart,
  tcpPart,
  memoryPart,
  manyPart,
  fairnessPart,
  slowOnePart,
]
const PLOT = '--plot'
const RESULTS = join(dirname(fileURLToPath(import.meta.url)), 'results')

function choose(names: string[]): Part[] {
  const unknown = names.find((name) => !PARTS.some((part) => part.name === name))
  if (unknown === undefined)
    return PARTS.filter(({ name }) => names.length === 0 || names.includes(name))
  const known = PARTS.map(({ name, about }) => `  ${name.padEnd(12)}${about}`).join('\n')
  throw new Error(`no part is named ${JSON.stringify(unknown)}; there are:\n${known}`)
}

/** Progress goes to stderr, so that stdout can be kept as it is. */
async function runPart(part: Part): Promise<Finding> {
  const closes: (() => Promise<void> | void)[] = []
  const folder = makeTemporaryFolder('bench')
  try {
    const say = (line: string): void => console.error(`${part.name}: ${line}`)
    return await part.run({ folder, say, onEnd: (close) => void closes.push(close) })
  } finally {
    for (const close of closes.reverse()) await close()
    removeFolder(folder)
  }
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
  if (args.includes(PLOT)) console.error(`plot: ${writePlot() ?? 'nothing to draw'}`)
  return failed.length === 0 ? 0 : 1
}

try {
  process.exit(await main(process.argv.slice(2)))
} catch (error) {
  console.error(messageOf(error))
  process.exit(2)
}
