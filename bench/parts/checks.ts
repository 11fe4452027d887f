/** What active checks cost the controller. */
import { setTimeout as sleep } from 'node:timers/promises'
import { guardCheckPolicy } from '../../contract/record/check-policy.js'
import type { CheckPolicy } from '../../contract/record/check-policy.js'
import type { CheckTarget } from '../../controller/health/checks/check-target.js'
import { ChecksProcess } from '../../lab/load/checks.js'
import type { ChecksAnswer } from '../../lab/load/checks.js'
import { freePort } from '../../lab/ports.js'
import { tools } from '../../lab/tools.js'
import { startCheapBackends } from '../rig/cheap-backends.js'
import type { Bench, PartResult, Part } from '../report/report.js'
import { count, ms } from '../report/statistics.js'
import { sized } from '../rig/sized.js'

const INSTANCES = sized(1000, 5)
const MANY = sized(10_000, 50)
const INTERVAL_MS = sized(5000, 500)
const SETTLE_MS = sized(2, 1) * INTERVAL_MS
const MEASURED_MS = sized(4, 2) * INTERVAL_MS

export const checksPart: Part = {
  name: 'checks',
  about: 'what 1,000 checks every 5 s cost the controller, in CPU and in delay',
  run,
}

interface Row extends ChecksAnswer {
  what: string
}

async function run(bench: Bench): Promise<PartResult> {
  const { nginx } = await tools()
  const port = await freePort()
  const hosts = hostsOf(INSTANCES)
  await startCheapBackends(bench, nginx, hosts, port)
  const checks = new ChecksProcess()
  bench.onEnd(() => checks.kill())
  const rows = [await measure(checks, 'nothing', [])]
  for (const type of ['http', 'tcp']) {
    const given = policyOf({ type, intervalMs: INTERVAL_MS })
    bench.say(`${count(INSTANCES)} checks by ${type}`)
    rows.push(await measure(checks, `${count(INSTANCES)} by ${type}`, targets(hosts, port, given)))
  }
  const hour = policyOf({ type: 'tcp', intervalMs: 3_600_000 })
  const { firstMs, againMs } = await checks.check(targets(hostsOf(MANY), port, hour))
  return finding(rows, firstMs, againMs)
}

function hostsOf(instances: number): string[] {
  return Array.from({ length: instances }, (_, n) => `127.40.${n >> 8}.${n & 255}`)
}

function policyOf(given: object): CheckPolicy {
  const checked = guardCheckPolicy(given)
  if (!checked.ok) {
    throw new Error(`${checked.field} ${checked.message}`)
  }
  return checked.value
}

function targets(hosts: string[], port: number, policy: CheckPolicy): CheckTarget[] {
  return hosts.map((host, index) => ({ key: `web/${index}`, host, port, policy }))
}

/** What is compiled and opened on first use is not measured. */
async function measure(checks: ChecksProcess, what: string, all: CheckTarget[]): Promise<Row> {
  await checks.check(all)
  await sleep(SETTLE_MS)
  await checks.measure()
  await sleep(MEASURED_MS)
  return { what, ...(await checks.measure()) }
}

function finding(rows: Row[], firstMs: number, againMs: number): PartResult {
  return {
    title: 'Active checks',
    how:
      `A process that does nothing but check, each instance every ${INTERVAL_MS / 1000} s over a connection of its own, for ` +
      `${MEASURED_MS / 1000} s; the instances are addresses of one nginx.`,
    columns: ['checked', 'checks', 'failed', 'CPU, of one core', 'event loop late, worst', 'p99'],
    rows: rows.map((row) => [
      row.what,
      count(row.passed + row.failed),
      count(row.failed),
      `${((row.cpuMs / row.tookMs) * 100).toFixed(1)} %`,
      ms(row.worstDelayMs),
      ms(row.p99DelayMs),
    ]),
    notes: [
      `To name ${count(MANY)} new instances takes ${ms(firstMs)}, the same once more ${ms(againMs)}.`,
    ],
    numbers: { rows, firstMs, againMs, instances: INSTANCES, intervalMs: INTERVAL_MS },
  }
}
