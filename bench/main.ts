/**
 * `npm run bench [-- [--plot] part …]`: measures, prints a table for each part, and writes all figures to bench/results;
 * with --plot draws docs/bench.svg too.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../runtime/errors.js'
import { makeTemporaryFolder, removeFolder } from '../lab/temp.js'
import { tools } from '../lab/tools.js'
import { applyPart } from './parts/apply.js'
import { changesPart } from './parts/changes.js'
import { checksPart } from './parts/checks.js'
import { churnPart } from './parts/churn.js'
import { describeMachine, printMachine } from './report/machine.js'
import { fairnessPart } from './parts/fairness.js'
import { handshakePart } from './parts/handshake.js'
import { latencyPart } from './parts/latency.js'
import { luaPart } from './parts/lua.js'
import { instructionsPart } from './parts/instructions.js'
import { manyPart } from './parts/many.js'
import { memoryPart } from './parts/memory.js'
import { peersPart } from './parts/peers.js'
import { pickPart } from './parts/pick.js'
import { writePlot } from './report/plot.js'
import { reloadPart } from './parts/reload.js'
import { markdown, writeResults } from './report/report.js'
import type { Finding, Part } from './report/report.js'
import { routesPart } from './parts/routes.js'
import { scalePart } from './parts/scale.js'
import { slowOnePart } from './parts/slow-one.js'
import { tcpPart } from './parts/tcp.js'
import { throughputPart } from './parts/throughput.js'
import { visiblePart } from './parts/visible.js'
import { waysPart } from './parts/ways.js'
import { workersPart } from './parts/workers.js'

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
  if (unknown === undefined) {
    return PARTS.filter(({ name }) => names.length === 0 || names.includes(name))
  }
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
    for (const close of closes.reverse()) {
      await close()
    }
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
