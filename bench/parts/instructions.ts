/** What a request costs a worker, against a static upstream; CI guards the same figures. */
import { messageOf } from '../../runtime/errors.js'
import { withCleanup } from '../rig/clean-up.js'
import { countInstructions, countSystemCalls } from '../rig/counted.js'
import type { Counted } from '../rig/counted.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, ratio } from '../report/statistics.js'
import { ensureTracers } from '../trace/tracers.js'
import type { Tracers } from '../trace/tracers.js'
import { ENGINES, sized } from '../rig/sized.js'

export const instructionsPart: Part = {
  name: 'instructions',
  about: 'instructions and calls of the kernel for a request, against a static upstream',
  run,
}

/** What is counted of each engine, by its name in `numbers`. */
const CASES = {
  '2 peers': { peers: 2 },
  '16 peers': { peers: 16 },
  '2 peers, the static side counts nothing': { peers: 2, uncounted: true },
  '2 peers, each side logs': { peers: 2, logged: true },
  '2 peers that the pool has not got yet': { peers: 2, missing: true },
}
const COUNTED = sized(Object.keys(CASES), ['2 peers'])
const CALLS = 'calls of the kernel'
const NOTES = [
  'The static side counts what is in flight for each worker, as Sluice does: a limit_conn that nothing reaches.',
  'A third of the slots of 16 peers are shared: such a request reads a second number.',
  'What the pool has not got yet goes by the hop and by address, a connection for each request; about a second long.',
]

async function run(bench: Bench): Promise<PartResult> {
  const tracers = await ensureTracers((line) => bench.say(line))
  if (tracers === undefined) {
    throw new Error('valgrind and strace cannot run here')
  }
  const numbers: Record<string, Counted> = {}
  for (const engine of ENGINES) {
    const isWanted = (name: string): boolean => COUNTED.some((each) => name.endsWith(`, ${each}`))
    Object.assign(numbers, await countEngine(bench, tracers, engine, isWanted))
  }
  return {
    title: 'What a request costs a worker',
    how: 'One worker, static and Sluice in the same nginx with the same headers; callgrind and strace. For each request:',
    columns: ['', 'static', 'Sluice', 'ratio'],
    rows: Object.entries(numbers).map(rowOf),
    notes: NOTES,
    numbers,
  }
}

/**
 * By `<engine>, <case>`, and by `<engine>, calls of the kernel` where a process may trace another.
 *
 * @param isWanted which cases are counted
 */
export async function countEngine(
  bench: Bench,
  tracers: Tracers,
  engine: 'njs' | 'qjs',
  isWanted: (name: string) => boolean = () => true,
): Promise<Record<string, Counted>> {
  const found: Record<string, Counted> = {}
  for (const [name, options] of Object.entries(CASES)) {
    const key = `${engine}, ${name}`
    if (isWanted(key)) {
      found[key] = await withCleanup(bench, (bench) => {
        return countInstructions(bench, tracers, { engine, ...options })
      })
    }
  }
  try {
    found[`${engine}, ${CALLS}`] = await withCleanup(bench, (bench) => {
      return countSystemCalls(bench, tracers, { engine, peers: 2 })
    })
  } catch (error) {
    if (!/Operation not permitted/.test(messageOf(error))) {
      throw error
    }
    bench.say(`not counted here: ${CALLS}, for no process may trace another`)
  }
  return found
}

function rowOf([name, found]: [string, Counted]): string[] {
  const isCalls = name.endsWith(CALLS)
  const print = (value: number): string => (isCalls ? value.toFixed(2) : count(value))
  const what = isCalls ? name : name.replace(', ', ': instructions, ')
  return [what, print(found.fixed), print(found.sluice), ratio(found.ratio)]
}
