/** `sluice status` and `sluice gateways`. */
import { UsageError } from '../usage-error.js'
import type { Command, Invocation } from '../command.js'
import type { ApiClient } from '../client.js'
import { pathOf } from '../client.js'
import { laneCountsText } from '../lane-text.js'
import type { LaneCounts } from '../lane-text.js'
import { age, table } from '../output.js'
import { getSuspects } from './suspects.js'
import { NO_UPSTREAMS } from './upstreams.js'

interface GatewayView {
  id: string
  applied: number
  desired: number
  lagMs: number
  connected: boolean
  sinceAtMs?: number
  workers: number
  nginx: string
  njs: string
  nginxFetchedAtMs?: number
  /** By `<upstream>/<id>`. */
  conditions?: Record<string, { state: string; reason: string }>
  reason?: string
}

/** Beyond, only their number is shown. */
const MOST_LINES = 10

function getGateways(client: ApiClient): Promise<{ gateways: GatewayView[] }> {
  const answer = client.call({ method: 'GET', path: pathOf('gateways') })
  return answer as Promise<{ gateways: GatewayView[] }>
}

function isCurrent({ connected, applied, desired }: GatewayView): boolean {
  return connected && applied >= desired
}

function stateOf(gateway: GatewayView): string {
  const { connected, sinceAtMs } = gateway
  const since = sinceAtMs === undefined ? '' : ` since ${new Date(sinceAtMs).toISOString()}`
  const state = !connected
    ? `not connected${since}`
    : isCurrent(gateway)
      ? 'up to date'
      : `behind for ${age(gateway.lagMs)}`
  return gateway.reason === undefined ? state : `${state}: ${gateway.reason}`
}

/** `nginx 1.30.6, njs 1.0.2, fetched 3 days ago` */
function nginxOf({ nginx, njs, nginxFetchedAtMs: atMs }: GatewayView): string {
  const fetched = atMs === undefined ? '' : `, fetched ${age(Math.max(0, Date.now() - atMs))} ago`
  return nginx === '' ? 'nginx unknown' : `nginx ${nginx}, njs ${njs}${fetched}`
}

/**
 * What a gateway found out about instances by itself, so that one which only it cannot reach is
 * seen.
 */
function conditionLines({ conditions = {} }: GatewayView): string[] {
  const all = Object.entries(conditions)
  const lines = all
    .slice(0, MOST_LINES)
    .map(([instance, { state, reason }]) => `  ${instance} is ${state} here: ${reason}`)
  return all.length > MOST_LINES ? [...lines, `  and ${all.length - MOST_LINES} more`] : lines
}

async function listGateways({ connect, print, json }: Invocation): Promise<void> {
  const answer = await getGateways(connect())
  if (json) {
    print(JSON.stringify(answer))
    return
  }
  const heads = ['gateway', 'applied', 'desired', 'workers', 'nginx', 'njs', 'state']
  const rows = answer.gateways.map((each) => [
    ...[each.id, each.applied, each.desired, each.workers, each.nginx, each.njs],
    stateOf(each),
  ])
  table(heads, rows, 'no gateway yet; "sluice start" runs one').forEach(print)
}

async function forgetGateway({ connect, print, json }: Invocation, id: string): Promise<void> {
  const call = { method: 'DELETE' as const, path: pathOf('gateways', id) }
  const answer = await connect().call(call)
  print(json ? JSON.stringify(answer) : `${id} is forgotten: nothing waits for it any more`)
}

export const gateways: Command = {
  name: 'gateways',
  usage: '[forget <id>]',
  positionals: [0, 2],
  summary: 'list gateways, or forget one that is gone for good',
  options: {},
  settings: 'client',
  async run(invocation) {
    const [action, id] = invocation.positionals
    if (action === undefined) {
      await listGateways(invocation)
    } else if (action === 'forget' && id !== undefined) {
      await forgetGateway(invocation, id)
    } else {
      throw new UsageError('usage: sluice gateways [forget <id>]')
    }
    return 0
  },
}

interface Sums {
  upstreams: number
  up: number
  draining: number
  down: number
}

async function sumUpstreams(client: ApiClient): Promise<Sums> {
  const answer = (await client.call({ method: 'GET', path: pathOf('upstreams') })) as {
    upstreams: Array<Omit<Sums, 'upstreams'>>
  }
  const sums = { upstreams: answer.upstreams.length, up: 0, draining: 0, down: 0 }
  for (const { up, draining, down } of answer.upstreams) {
    sums.up += up
    sums.draining += draining
    sums.down += down
  }
  return sums
}

interface Finding {
  code: string
  subject?: string
  sinceAtMs: number
  message: string
  cure: string
}

interface AgentSource {
  agent: string
  name: string
  address: string
  instances: number
  refused: number
  away?: { sinceAtMs: number; isDoubted?: boolean }
}

/** `source files of agent a1 (/etc/sluice): 12 instances, 1 entries refused; away for 2 min` */
function sourceLine({ agent, name, address, instances, refused, away }: AgentSource): string {
  const counts = `${instances} instances, ${refused} entries refused`
  const what = away?.isDoubted === true ? 'not believed' : 'away'
  const stale = away === undefined ? '' : `; ${what} for ${age(Date.now() - away.sinceAtMs)}`
  return `source ${name} of agent ${agent} (${address}): ${counts}${stale}`
}

interface Verdict {
  well: boolean
  ready: boolean
  reason?: string
  findings: Finding[]
  lanes?: LaneCounts
  sources?: AgentSource[]
}

function getVerdict(client: ApiClient): Promise<Verdict> {
  return client.call({ method: 'GET', path: pathOf('status') }) as Promise<Verdict>
}

/** What is wrong, since when, and what to do about it. */
function findingLines({ code, subject, sinceAtMs, message, cure }: Finding): string[] {
  const about = subject === undefined ? code : `${code} ${subject}`
  const since = age(Math.max(0, Date.now() - sinceAtMs))
  return [`${about} (for ${since}): ${message}`, `  to do: ${cure}`]
}

function verdictLine({ well, ready, reason = '', findings }: Verdict): string {
  if (!ready) {
    return `not ready: ${reason}`
  }
  return well ? 'ready' : `ready, but not well: see above (findings: ${findings.length})`
}

export const status: Command = {
  name: 'status',
  usage: '',
  positionals: [0, 0],
  summary: 'say how Sluice is and what is wrong; exit code 1 when something is',
  options: {},
  settings: 'client',
  async run({ connect, print, json }) {
    const client = connect()
    const { gateways: found } = await getGateways(client)
    const sums = await sumUpstreams(client)
    const { suspects } = await getSuspects(client)
    const verdict = await getVerdict(client)
    const { well, ready, findings, lanes, sources = [] } = verdict
    if (json) {
      const shown = { well, ready, findings, ...sums, suspects, lanes, sources, gateways: found }
      print(JSON.stringify(shown))
      return well ? 0 : 1
    }
    print(
      `upstreams: ${sums.upstreams}; instances: ${sums.up} up, ${sums.draining} draining, ${sums.down} down`,
    )
    if (sums.upstreams === 0) {
      print(NO_UPSTREAMS)
    }
    if (lanes !== undefined) {
      print(laneCountsText(lanes))
    }
    sources.map(sourceLine).forEach(print)
    for (const gateway of found) {
      print(`gateway ${gateway.id}: ${stateOf(gateway)}, revision ${gateway.applied}`)
      print(`  ${nginxOf(gateway)}`)
      conditionLines(gateway).forEach(print)
    }
    findings.flatMap(findingLines).forEach(print)
    print(verdictLine(verdict))
    return well ? 0 : 1
  },
}
