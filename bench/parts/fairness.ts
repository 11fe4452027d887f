/** Whether requests go to instances as their weights say. */
import type { NginxInfo } from '../../setup/nginx.js'
import { startRig } from '../../lab/load/rig.js'
import type { Rig } from '../../lab/load/rig.js'
import type { Target } from '../../lab/load/connection.js'
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { RANDOM, ROUND_ROBIN, setBalance } from '../rig/balances.js'
import type { Balance } from '../rig/balances.js'
import { chanceOf, chiSquare } from '../report/chi-square.js'
import { countOf, startEveryAddress, whoAnswered } from '../rig/hit-counter.js'
import { PlainNginx } from '../rig/plain-nginx.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, sum } from '../report/statistics.js'
import { sized } from '../rig/sized.js'

/** A further balance is one more line here. */
const BALANCES: Balance[] = [RANDOM, ROUND_ROBIN]
const REQUESTS = sized(100_000, 400)
/** Instances of one weight. */
const EQUALS = sized(1000, 40)
/** Chance is asked more than once, for one time in a hundred it looks like a fault by itself. */
const TIMES = sized(3, 1)
const CONNECTIONS = 16
const WORKERS = 2

interface Member {
  host: string
  weight: number
}

interface Case {
  upstream: string
  about: string
  members: Member[]
}

const CASES: Case[] = [
  {
    upstream: 'weighted',
    about: 'weights 1:2:5',
    members: [1, 2, 5].map((weight, n) => ({ host: `127.20.0.${n + 1}`, weight })),
  },
  {
    upstream: 'equal',
    about: `${count(EQUALS)} equal instances`,
    members: Array.from({ length: EQUALS }, (_, n) => ({
      host: `127.21.${Math.floor(n / 250)}.${(n % 250) + 1}`,
      weight: 1,
    })),
  },
]

interface Result {
  about: string
  by: string
  /**
   * One for each time that it was asked: the chance that pure chance does worse, or cycles that
   * were not exact.
   */
  chances: number[]
  inexact: number | undefined
  cycles: number | undefined
}

export const fairnessPart: Part = {
  name: 'fairness',
  about: 'whether requests go to instances as their weights say: 1:2:5, and 1,000 alike',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const { nginx } = await tools()
  const backend = await freePort()
  await startEveryAddress(bench, nginx, backend)
  const rig = await startRig({ name: 'fairness', nginx, workers: WORKERS })
  bench.onEnd(() => rig.stop())
  const control = await startControl(bench, nginx, backend)
  const results: Result[] = []
  const skipped: string[] = []
  for (const one of CASES) {
    bench.say(`${one.about}: nginx’s own random`)
    results.push(await judge(control, one, RANDOM, 'nginx’s random (control)'))
    await register(rig, one, backend)
    for (const balance of BALANCES) {
      const refused = await setBalance(rig, one.upstream, balance.name)
      if (refused !== undefined) {
        skipped.push(`${one.about}, ${balance.name}: skipped, this Sluice refuses it (${refused})`)
        continue
      }
      bench.say(`${one.about}: ${balance.name}`)
      const target = { host: '127.0.0.1', port: rig.httpPort }
      results.push(await judge(target, one, balance, `Sluice, ${balance.name}`))
    }
  }
  return finding(results, skipped)
}

async function register(rig: Rig, { upstream, members }: Case, port: number): Promise<void> {
  const operations = members.map(({ host, weight }, index) => {
    const path = `/v1/upstreams/${upstream}/instances/i${index}`
    return { method: 'PUT', path, body: { host, port, weight } }
  })
  await rig.batch(operations)
}

/** Upstreams of the same members in a plain nginx, drawn by nginx’s own `random`. */
async function startControl(bench: Bench, nginx: NginxInfo, backend: number): Promise<Target> {
  const port = await freePort()
  const printed = CASES.map(({ upstream, members }) => {
    const servers = members.map(({ host, weight }) => `server ${host}:${backend} weight=${weight};`)
    return `upstream ${upstream} { zone ${upstream} 2m; random; ${servers.join('\n')} keepalive 64; }
server { listen 127.0.0.1:${port}; server_name ${upstream}.localhost; location / { proxy_pass http://${upstream}; } }`
  })
  const started = await PlainNginx.start({
    nginx,
    folder: `${bench.folder}/control`,
    main: `worker_processes ${WORKERS};`,
    configuration: printed.join('\n'),
    port,
  })
  bench.onEnd(() => started.stop())
  return { host: '127.0.0.1', port }
}

async function judge(target: Target, one: Case, balance: Balance, by: string): Promise<Result> {
  const host = `${one.upstream}.localhost`
  if (balance.fair === 'exact') {
    // One connection, so that the order of the answers is that of the choices.
    const answered = await whoAnswered(target, { host, requests: REQUESTS, connections: 1 })
    return { about: one.about, by, chances: [], ...cyclesOf(answered, one.members) }
  }
  const chances: number[] = []
  for (let time = 0; time < TIMES; time++) {
    const asked = { host, requests: REQUESTS, connections: CONNECTIONS }
    chances.push(chance(await whoAnswered(target, asked), one.members))
  }
  return { about: one.about, by, chances, inexact: undefined, cycles: undefined }
}

function chance(answered: string[], members: Member[]): number {
  const counts = countOf(answered)
  const total = sum(members.map(({ weight }) => weight))
  const observed = members.map(({ host }) => counts.get(host) ?? 0)
  if (sum(observed) !== answered.length) {
    throw new Error('an address that is no member has answered')
  }
  const expected = members.map(({ weight }) => (answered.length * weight) / total)
  return chanceOf(chiSquare(observed, expected), members.length - 1)
}

/**
 * Cut into cycles of as many requests as all weights make, each of which is to have every member by
 * its weight.
 */
function cyclesOf(answered: string[], members: Member[]): { cycles: number; inexact: number } {
  const length = sum(members.map(({ weight }) => weight))
  const cycles = Math.floor(answered.length / length)
  let inexact = 0
  for (let cycle = 0; cycle < cycles; cycle++) {
    const counts = countOf(answered.slice(cycle * length, (cycle + 1) * length))
    if (!members.every(({ host, weight }) => counts.get(host) === weight)) {
      inexact += 1
    }
  }
  return { cycles, inexact }
}

function finding(results: Result[], skipped: string[]): PartResult {
  const verdict = ({ chances, inexact, cycles }: Result): string =>
    cycles === undefined
      ? `p = ${chances.map((value) => value.toFixed(3)).join(', ')}`
      : `${count(inexact ?? NaN)} of ${count(cycles)} cycles not exact`
  return {
    title: 'Whether requests go as the weights say',
    how:
      `${count(REQUESTS)} requests over ${CONNECTIONS} connections to ${WORKERS} workers, ${TIMES} times, counted ` +
      'by the address that answered; chi-square against the weights.',
    columns: ['', 'chosen by', 'found'],
    rows: results.map((result) => [result.about, result.by, verdict(result)]),
    notes: [
      'p: how often pure chance would be at least as uneven. Only a very small one (below 0.01, again and again) is a fault.',
      'For a balance that takes turns: cycles of as many requests as the weights add up to, over one connection.',
      ...skipped,
    ],
    numbers: { results, skipped, requests: REQUESTS },
  }
}
