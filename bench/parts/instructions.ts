import { countInstructions, countSystemCalls } from '../rig/counted.js'
import type { Counted } from '../rig/counted.js'
import type { Bench, Finding, Part } from '../report/report.js'
import { count, ratio } from '../report/statistics.js'
import { ensureTracers } from '../trace/tracers.js'

export const instructionsPart: Part = {
  name: 'instructions',
  about: 'instructions and calls of the kernel for a request, against a static upstream',
  run,
}

const PEERS = [2, 16]
const NOTES = [
  'The static side counts what is in flight for each worker, as Sluice does: a limit_conn that nothing reaches.',
  'A third of the slots of 16 peers are shared: such a request reads a second number.',
  'What the pool has not got yet goes by the hop and by address, a connection for each request; about a second long.',
]

async function run(bench: Bench): Promise<Finding> {
  const tracers = await ensureTracers((line) => bench.say(line))
  if (tracers === undefined) {
    throw new Error('valgrind and strace cannot run here')
  }
  const rows: string[][] = []
  const numbers: Record<string, Counted> = {}
  const add = (what: string, found: Counted, print: (value: number) => string): void => {
    numbers[what] = found
    rows.push([what, print(found.fixed), print(found.sluice), ratio(found.ratio)])
  }
  for (const engine of ['njs', 'qjs'] as const) {
    for (const peers of PEERS) {
      const found = await countInstructions(bench, tracers, { engine, peers })
      add(`${engine}: instructions, ${peers} peers`, found, count)
    }
    const uncounted = await countInstructions(bench, tracers, { engine, peers: 2, uncounted: true })
    add(`${engine}: instructions, 2 peers, the static side counts nothing`, uncounted, count)
    const missing = await countInstructions(bench, tracers, { engine, peers: 2, missing: true })
    add(`${engine}: instructions, 2 peers that the pool has not got yet`, missing, count)
    const calls = await countSystemCalls(bench, tracers, { engine, peers: 2 })
    add(`${engine}: calls of the kernel`, calls, (value) => value.toFixed(2))
  }
  return {
    title: 'What a request costs a worker',
    how: 'One worker, static and Sluice in the same nginx with the same headers; callgrind and strace. For each request:',
    columns: ['', 'static', 'Sluice', 'ratio'],
    rows,
    notes: NOTES,
    numbers,
  }
}
