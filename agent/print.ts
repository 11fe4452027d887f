/** What the agent would register, and why, as text for people: containers, and other sources. */
import type { InstanceRecord } from '../contract/record/instance-record.js'
import { shortId } from './engine/container.js'
import type { Container } from './engine/container.js'
import type { ContainerEngine } from './engine/engine.js'
import { containerState } from './plan/container-state.js'
import type { AgentMachine } from './plan/instance-address.js'
import { printClaim } from './plan/route-claim.js'
import { makePlan } from './plan/plan.js'
import type { ContainerReport } from './plan/plan.js'
import { targetKey } from './plan/probe-target.js'
import { answers } from './plan/port-prober.js'
import { messageOf } from '../runtime/errors.js'
import type { Source, SourceLevel } from './sources/source.js'

const PROBE_MS = 500

async function inspectAll(engine: ContainerEngine): Promise<Container[]> {
  const listed = await engine.list()
  const containers: Container[] = []
  for (const { id } of listed) {
    const container = await engine.inspect(id)
    // It went between the listing and now.
    if (container !== undefined) {
      containers.push(container)
    }
  }
  return containers
}

async function probe(containers: Container[], machine: AgentMachine): Promise<Set<string>> {
  const nothing = { signalled: new Set<string>(), answered: new Set<string>() }
  const { targets } = makePlan(containers, machine, nothing)
  const answered = await Promise.all(
    targets.map(async (target) => {
      const addresses = target.direct === undefined ? [target] : [target.direct, target]
      const tries = addresses.map(({ host, port }) => answers(host, port, PROBE_MS))
      const yes = (await Promise.all(tries)).includes('taken')
      return yes ? [targetKey(target)] : []
    }),
  )
  return new Set(answered.flat())
}

/** `  weight 1  max-conns 5  backup  zone eu` */
function traitsOf({ weight, maxConns, backup, zone }: InstanceRecord): string {
  const traits = [
    `weight ${weight}`,
    maxConns !== undefined && `max-conns ${maxConns}`,
    backup === true && 'backup',
    zone !== undefined && `zone ${zone}`,
  ]
  return traits.flatMap((trait) => (trait === false ? [] : [`  ${trait}`])).join('')
}

function linesOf({ container, reading }: ContainerReport): string[] {
  const instances = reading.instances.flatMap(({ upstream, id, record, routes }) => [
    `  ${record.state}` +
      `  ${upstream}  ${id}  ${record.host}:${record.port}${traitsOf(record)}` +
      (record.reason === undefined ? '' : `  (${record.reason})`),
    ...routes.map(({ record: route }) => `    route ${printClaim(route)} -> ${upstream}`),
  ])
  const title = `${container.name} (${shortId(container.id)}, ${container.image})`
  const warnings = reading.warnings.map((warning) => `  warning: ${warning}`)
  if (!reading.asked) {
    return [title, `  left alone: ${reading.why.join('; ')}`, ...warnings]
  }
  if (container.status === 'stopped') {
    const { reason } = containerState(container, { signalled: false, answered: false })
    return [title, `  ${reason}; what it had stays as down until it is removed`, ...warnings]
  }
  const isIgnored = reading.instances.length === 0 && reading.refused.length === 0
  return [
    title,
    ...(isIgnored ? ['  left alone: each of its ports is ignored'] : []),
    ...instances,
    ...reading.why.map((why) => `    ${why}`),
    ...reading.refused.map(({ reason }) => `  refused: ${reason}`),
    ...warnings,
  ]
}

/** One paragraph for each container, by name. Rejects when the engine does not answer. */
export async function printContainers(
  engine: ContainerEngine,
  machine: AgentMachine,
): Promise<string> {
  const containers = await inspectAll(engine)
  const answered = await probe(containers, machine)
  const { reports } = makePlan(containers, machine, { signalled: new Set(), answered })
  const sorted = reports.sort((a, b) => (a.container.name < b.container.name ? -1 : 1))
  const paragraphs = sorted.map((report) => linesOf(report).join('\n'))
  const count = paragraphs.length === 1 ? '1 container' : `${paragraphs.length} containers`
  return (
    [`${count} at ${engine.address}, agent ${machine.agent}`, ...paragraphs].join('\n\n') + '\n'
  )
}

function levelLines(level: SourceLevel): string[] {
  const { instances, routes, settings, refused, warnings, why } = level
  return [
    ...instances.map(
      ({ upstream, id, record, from }) =>
        `  ${record.state}  ${upstream}  ${id}  ${record.host}:${record.port}` +
        `${traitsOf(record)}  (${from})`,
    ),
    ...routes.map(
      ({ record, from }) =>
        `  route ${printClaim(record)} -> ${record.upstream ?? 'a split'}  (${from})`,
    ),
    ...[...settings.keys()].map((upstream) => `  settings of upstream ${upstream}`),
    ...why.map(({ name, text }) => `  ${name}: ${text}`),
    ...refused.map(({ name, text }) => `  refused: ${name}: ${text}`),
    ...warnings.map(({ name, text }) => `  warning: ${name}: ${text}`),
  ]
}

/** One section for a source. One that cannot be read says so, and keeps no other from its own. */
export async function printSource(source: Source): Promise<string> {
  const title = `source ${source.name} at ${source.address}`
  try {
    return [title, ...levelLines(await source.readOnce())].join('\n') + '\n'
  } catch (error) {
    return `${title}\n  cannot be read: ${messageOf(error)}\n`
  }
}
