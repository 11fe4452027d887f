/** Which address and port a container is reached at, and why. Pure, so the answer never varies. */
import type { Container, ContainerNetwork } from '../engine/container.js'

/** The machine that the agent stands for. */
export interface AgentHost {
  agent: string
  /** The machine's address for gateways elsewhere. Undefined: containers' own addresses serve. */
  address: string | undefined
  allowLoopback: boolean
}

export type Decision<T> = { ok: true; value: T; why: string } | { ok: false; reason: string }

export interface InstanceAddress {
  host: string
  port: number
}

function refuse<T>(reason: string): Decision<T> {
  return { ok: false, reason }
}

/** The container's port: the one that was named, else the only one exposed, else 80. */
export function choosePort(container: Container, named: number | undefined): Decision<number> {
  if (named !== undefined) {
    return { ok: true, value: named, why: `port ${named}: as the label says` }
  }
  const exposed = container.tcpPorts
  const [only] = exposed
  if (only === undefined) {
    return refuse('the container exposes no TCP port, and sluice.port is not set')
  }
  if (exposed.length === 1) {
    return { ok: true, value: only, why: `port ${only}: the only one exposed` }
  }
  const list = exposed.join(', ')
  return exposed.includes(80)
    ? { ok: true, value: 80, why: `port 80: the usual one of ${list}` }
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

function onHostNetwork(host: AgentHost, port: number): Decision<InstanceAddress> {
  if (host.address !== undefined) {
    const why = "host network: the agent's address"
    return { ok: true, value: { host: host.address, port }, why }
  }
  return host.allowLoopback
    ? { ok: true, value: { host: '127.0.0.1', port }, why: 'host network: loopback' }
    : refuse("the container is on the host's network, and the agent's address is not set")
}

function onPublished(
  container: Container,
  host: AgentHost,
  port: number,
): InstanceAddress | undefined {
  const { address } = host
  const open = ['', '0.0.0.0', '::']
  const found = container.published.find(
    (published) =>
      published.port === port &&
      published.hostPort > 0 &&
      (open.includes(published.hostAddress) || published.hostAddress === address),
  )
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

function onNamed(
  container: Container,
  host: AgentHost,
  name: string,
  port: number,
): Decision<InstanceAddress> {
  const network = named(container, name)
  if (network === undefined) {
    const names = orderNetworks(container.networks).map((each) => each.name)
    const list = names.length === 0 ? 'on none' : `on ${names.join(', ')}`
    return refuse(`sluice.network ${JSON.stringify(name.slice(0, 64))}: the container is ${list}`)
  }
  if (network.address !== undefined) {
    const why = `network ${network.name}: as sluice.network says`
    return { ok: true, value: { host: network.address, port }, why }
  }
  const published = onPublished(container, host, port)
  return published === undefined
    ? refuse(`the container has no address on network ${network.name}`)
    : { ok: true, value: published, why: publishedWhy(port) }
}

/**
 * The label's network. Without one, when the agent has an address: the published port there, as
 * gateways elsewhere cannot reach a container's own address. Else the first network by name.
 */
export function chooseAddress(
  container: Container,
  host: AgentHost,
  network: string | undefined,
  port: number,
): Decision<InstanceAddress> {
  if (container.networkMode === 'host') {
    return onHostNetwork(host, port)
  }
  if (network !== undefined) {
    return onNamed(container, host, network, port)
  }
  const published = onPublished(container, host, port)
  if (published !== undefined) {
    return { ok: true, value: published, why: publishedWhy(port) }
  }
  const reachable = orderNetworks(container.networks).filter((each) => each.address !== undefined)
  const [first, ...others] = reachable
  if (first?.address === undefined) {
    return refuse('the container has no address on any network, and no published port is usable')
  }
  const names = others.map((each) => each.name).join(', ')
  const why = others.length === 0 ? 'the only one' : `first by name, before ${names}`
  return { ok: true, value: { host: first.address, port }, why: `network ${first.name}: ${why}` }
}
