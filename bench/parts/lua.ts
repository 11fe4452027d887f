/** Sluice and a Lua balancer, each against the static upstream of its nginx. */
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { SIDES, startSideBySide } from '../rig/side-by-side.js'
import { startCheapBackends } from '../rig/cheap-backends.js'
import { startLua } from '../rig/lua-nginx.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { measure, rowsOf } from '../rig/subjects.js'
import type { Measured, Rounds, Subject } from '../rig/subjects.js'
import { ensureWrk } from '../load/wrk.js'
import { ENGINES, sized } from '../rig/sized.js'

const HOSTS = ['127.8.3.1', '127.8.3.2', '127.8.3.3']
const ROUNDS: Rounds = {
  ...{ rounds: sized(30, 1), slice: sized(2500, 50), connections: 8 },
  ...{ wrkRounds: sized(7, 1), wrkSeconds: 1 },
}

export const luaPart: Part = {
  name: 'lua',
  about: 'Sluice and a Lua balancer, each against the static upstream of its own nginx',
  run,
}

async function run(bench: Bench): Promise<PartResult> {
  const wrk = await ensureWrk((line) => bench.say(line))
  const { nginx } = await tools()
  const backend = await freePort()
  await startCheapBackends(bench, nginx, HOSTS, backend)
  const subjects: Subject[] = []
  for (const engine of ENGINES) {
    const started = await startSideBySide(bench, { engine, hosts: HOSTS, backend })
    const hosts = SIDES.map((name) => `${name}.localhost`)
    subjects.push({ name: `Sluice, ${engine}`, nginx: started.nginx, port: started.port, hosts })
  }
  const lua = await startLua(bench, { hosts: HOSTS, backend })
  const luaHosts = ['static', 'again', 'lua'].map((name) => `${name}.localhost`)
  subjects.push({ name: 'Lua', nginx: lua.nginx, port: lua.port, hosts: luaHosts })
  const measured = await measure(bench, subjects, ROUNDS, wrk)
  return finding(measured, lua.versions, leftActive(await lua.active()))
}

/** A balancer that loses count would be cheaper than one that does not. */
function leftActive(text: string): number {
  const counts = text
    .trim()
    .split('\n')
    .map((line) => Number(line.split(' ')[1]))
  return counts.reduce((total, value) => total + Math.abs(value), 0)
}

function finding(measured: Measured[], lua: string, left: number): PartResult {
  const { rounds, slice, connections, wrkRounds, wrkSeconds } = ROUNDS
  return {
    title: 'Sluice and a Lua balancer, each against its own nginx’s static upstream',
    how:
      `Three nginx of one worker with the same backends, by turns: ${rounds} rounds of ${slice} requests ` +
      `over ${connections} connections; wrk ${wrkRounds} times ${wrkSeconds} s over 32. Medians; ratios are ` +
      'medians of ratios within a round.',
    columns: ['', 'static', 'static again', 'dynamic', 'control', 'dynamic / static'],
    rows: rowsOf(measured),
    notes: [
      `Lua: ${lua}; balancer_by_lua with a shared dict, a count of what is in flight, one more try, keepalive.`,
      `In flight by the Lua balancer’s own count when all had been answered: ${left}.`,
      'Lua’s balancer knows no draining and nobody informs it of changes; it is the way to the peer alone.',
    ],
    numbers: { measured, lua, left, rounds, slice },
  }
}
