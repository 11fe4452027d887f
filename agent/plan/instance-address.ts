/** Which address and port a container is reached at, and why. Pure, so the answer never varies. */
import type { Transport } from '../../contract/record/stream-route.js'
import { parseIp } from '../../contract/guard/address.js'
import type { AgentRecord } from '../../contract/record/agent-record.js'
import type { Container, ContainerNetwork, PublishedPort } from '../engine/container.js'
import type { DialectSettings } from '../../runtime/config/settings.js'
import type { LabelLimits } from '../labels/label-limits.js'

/** The machine that the agent stands for. */
export interface AgentMachine {
  agent: string
  /** The machine's address for gateways elsewhere. Undefined: containers' own addresses serve. */
  address: string | undefined
  allowLoopback: boolean
  /** Whether gateways of other machines read the registry: addresses must mean the same to them. */
  isShared?: boolean
  /** Networks whose addresses mean the same to all gateways, as the operator says. */
  networks?: readonly string[]
  limits?: LabelLimits
  /** Whose labels are read, and how; absent: the defaults. */
  dialects?: DialectSettings
  /** What `hosts/<agent>` says of it besides. */
  presence?: Omit<AgentRecord, 'address' | 'containers'>
}

type Decision<T> = { ok: true; value: T; why: string } | { ok: false; reason: string }

export interface InstanceAddress {
  host: string
  port: number
}

interface ServedPort {
  port: number
  transport: Transport
}

/** A port, and the network that a label names. */
export interface WantedPort extends ServedPort {
  network: string | undefined
}

function refuse<T>(reason: string): Decision<T> {
  return { ok: false, reason }
}

/** The container's port: the one that was named, else the only one exposed, else 80. */
export function choosePort(
  container: Container,
  named: { port: number | undefined; transport: Transport },
): Decision<ServedPort> {
  const { port, transport } = named
  const { tcpPorts, udpPorts } = container
  if (port !== undefined) {
    const isUdpOnly = udpPorts.includes(port) && !tcpPorts.includes(port)
    const value: ServedPort = { port, transport: isUdpOnly ? 'udp' : transport }
    return { ok: true, value, why: `port ${port}: as the label says` }
  }
  const [only] = tcpPorts
  if (only === undefined) {
    const [udp, ...more] = udpPorts
    return udp !== undefined && more.length === 0
      ? { ok: true, value: { port: udp, transport: 'udp' }, why: `UDP port ${udp}: the only one` }
      : refuse('the container exposes no TCP port, and sluice.port is not set')
  }
  if (tcpPorts.length === 1) {
    const value: ServedPort = { port: only, transport: 'tcp' }
    return { ok: true, value, why: `port ${only}: the only one exposed` }
  }
  const list = tcpPorts.join(', ')
  return tcpPorts.includes(80)
    ? { ok: true, value: { port: 80, transport: 'tcp' }, why: `port 80: the usual one of ${list}` }
    : refuse(`sluice.port is not set, and the container exposes ${list}`)
}

// Engines put every container on these; a network that somebody made says more.
const LAST = ['bridge', 'podman', 'ingress']

/** Networks in the order of preference: by name, the engine's own ones last. */
function orderNetworks(networks: readonly ContainerNetwork[]): ContainerNetwork[] {
  const rank = (network: ContainerNetwork) => LAST.indexOf(network.name)
  return [...networks].sort(
    (a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  )
}

function onHostNetwork(machine: AgentMachine, port: number): Decision<InstanceAddress> {
  if (machine.address !== undefined) {
    const why = "host network: the agent's address"
    return { ok: true, value: { host: machine.address, port }, why }
  }
  return machine.allowLoopback && machine.isShared !== true
    ? { ok: true, value: { host: '127.0.0.1', port }, why: 'host network: loopback' }
    : refuse(
        "the container is on the host's network, and the agent's address is not set " +
          '(SLUICE_AGENT_ADDRESS)',
      )
}

function isIpv6(address: string): boolean {
  return parseIp(address)?.length === 16
}

/** Whether what is published there is reached at the agent's address. */
function opensAt({ hostAddress }: PublishedPort, address: string): boolean {
  return (
    hostAddress === '' ||
    hostAddress === address ||
    hostAddress === (isIpv6(address) ? '::' : '0.0.0.0')
  )
}

function publishedAs(container: Container, { port, transport }: ServedPort): PublishedPort[] {
  return container.published.filter(
    (each) => each.port === port && (each.transport ?? 'tcp') === transport && each.hostPort > 0,
  )
}

function onPublished(
  container: Container,
  machine: AgentMachine,
  wanted: ServedPort,
): InstanceAddress | undefined {
  const { address } = machine
  const published = publishedAs(container, wanted)
  const found = published.find((each) => address !== undefined && opensAt(each, address))
  return address === undefined || found === undefined
    ? undefined
    : { host: address, port: found.hostPort }
}

function publishedWhy(port: number): string {
  return `port ${port} is published: the agent's address`
}

function named(container: Container, name: string): ContainerNetwork | undefined {
  const project = container.labels['com.docker.compose.project']
  const names = project === undefined ? [name] : [name, `${project}_${name}`]
  return names
    .map((each) => container.networks.find((network) => network.name === each))
    .find((network) => network !== undefined)
}

/** Whether gateways of other machines reach the container itself when they send to its address. */
function meansTheSame(network: ContainerNetwork, machine: AgentMachine): boolean {
  const isOverlay = network.isOverlay === true && network.name !== 'ingress'
  return machine.isShared !== true || isOverlay || machine.networks?.includes(network.name) === true
}

/** Why nothing is registered that means another container to a gateway elsewhere, and the cure. */
function refuseLocal(
  container: Container,
  machine: AgentMachine,
  wanted: ServedPort,
  networks: readonly ContainerNetwork[],
): Decision<InstanceAddress> {
  const { port } = wanted
  const names = networks.map(({ name, address }) => `${address} on ${name}`).join(', ')
  const published = publishedAs(container, wanted).map(({ hostAddress }) => hostAddress)
  const cure =
    machine.address === undefined
      ? `publish port ${port} and set SLUICE_AGENT_ADDRESS`
      : published.length > 0
        ? `port ${port} is published at ${published.join(', ')} and not at ${machine.address}`
        : `publish port ${port}`
  return refuse(
    `${names} means this container on this machine alone, and other machines read the registry: ` +
      `${cure}, or name a network that all gateways reach in SLUICE_AGENT_NETWORKS`,
  )
}

function onNamed(
  container: Container,
  machine: AgentMachine,
  name: string,
  wanted: ServedPort,
): Decision<InstanceAddress> {
  const network = named(container, name)
  if (network === undefined) {
    const names = orderNetworks(container.networks).map((each) => each.name)
    const list = names.length === 0 ? 'on none' : `on ${names.join(', ')}`
    return refuse(`sluice.network ${JSON.stringify(name.slice(0, 64))}: the container is ${list}`)
  }
  if (network.address !== undefined && meansTheSame(network, machine)) {
    const why = `network ${network.name}: as sluice.network says`
    return { ok: true, value: { host: network.address, port: wanted.port }, why }
  }
  const published = onPublished(container, machine, wanted)
  if (published !== undefined) {
    return { ok: true, value: published, why: publishedWhy(wanted.port) }
  }
  return network.address === undefined
    ? refuse(`the container has no address on network ${network.name}`)
    : refuseLocal(container, machine, wanted, [network])
}

/**
 * The label's network. Without one, when the agent has an address: the published port there, as
 * gateways elsewhere cannot reach a container's own address. Else the first network by name, of
 * those whose addresses mean the same to all who read the registry.
 */
export function chooseAddress(
  container: Container,
  machine: AgentMachine,
  wanted: WantedPort,
): Decision<InstanceAddress> {
  const { network, port } = wanted
  if (container.networkMode === 'host') {
    return onHostNetwork(machine, port)
  }
  if (network !== undefined) {
    return onNamed(container, machine, network, wanted)
  }
  const published = onPublished(container, machine, wanted)
  if (published !== undefined) {
    return { ok: true, value: published, why: publishedWhy(port) }
  }
  const all = orderNetworks(container.networks).filter((each) => each.address !== undefined)
  const [first, ...others] = all.filter((each) => meansTheSame(each, machine))
  if (first?.address === undefined) {
    return all.length > 0
      ? refuseLocal(container, machine, wanted, all)
      : refuse('the container has no address on any network, and no published port is usable')
  }
  const names = others.map((each) => each.name).join(', ')
  const why = others.length === 0 ? 'the only one' : `first by name, before ${names}`
  return { ok: true, value: { host: first.address, port }, why: `network ${first.name}: ${why}` }
}

/** The container's own address, where the registered one is a way around it. */
export function directAddress(
  container: Container,
  registered: InstanceAddress,
  port: number,
): InstanceAddress | undefined {
  const own = orderNetworks(container.networks).find(({ address }) => address !== undefined)
  return own?.address === undefined || own.address === registered.host
    ? undefined
    : { host: own.address, port }
}
