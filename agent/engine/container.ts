/** One container as an engine's inspect answers it, in one shape for Docker and podman. Pure. */
import type { Transport } from '../../contract/record/stream-route.js'

export interface ContainerNetwork {
  name: string
  /** Its IPv4 address there, else its IPv6 one; undefined when it has none. */
  address: string | undefined
  /** Addresses of an overlay network mean the same on every machine of a swarm. */
  isOverlay?: boolean
}

/** How a process ended. */
interface ContainerEnd {
  exitCode: number
  /** The kernel killed it, as it took more memory than it may. */
  outOfMemory: boolean
}

/** Where the engine's machine forwards a container's port from. */
export interface PublishedPort {
  /** Container side. */
  port: number
  transport?: Transport
  hostAddress: string
  hostPort: number
}

export interface ImageConfig {
  labels: Readonly<Record<string, string>>
  env: ReadonlyArray<readonly [name: string, value: string]>
}

export interface Container {
  /** 64 hex digits. */
  id: string
  name: string
  image: string
  labels: Readonly<Record<string, string>>
  /**
   * Labels and environment of its image. Whoever started the container need not have meant them.
   */
  ofImage?: ImageConfig
  env: ReadonlyArray<readonly [name: string, value: string]>
  /** `bridge`, `host`, `none`, `container:<id>`, or a network's name. */
  networkMode: string
  networks: readonly ContainerNetwork[]
  /** Ports that the image or the command line exposes, ascending. */
  tcpPorts: readonly number[]
  udpPorts: readonly number[]
  published: readonly PublishedPort[]
  status: 'running' | 'paused' | 'stopped'
  /** `none`: it has no HEALTHCHECK. */
  health: 'none' | 'starting' | 'healthy' | 'unhealthy'
  /** Number of the signal that `stop` sends first. */
  stopSignal: number
  /** Milliseconds from that signal to SIGKILL. */
  stopGraceMs: number
  /** Of its first process, as the engine counts; 0: there is none. */
  pid: number
  /** Of its last process, when there is none now. */
  end?: ContainerEnd
  createdAt: string
  startedAt: string
}

interface InspectedNetwork {
  NetworkID?: string
  IPAddress?: string
  GlobalIPv6Address?: string
}

/** What is read of `GET /containers/<id>/json`. Podman leaves some of it out. */
export interface Inspected {
  Id: string
  /** Id of its image. */
  Image?: string
  Name: string
  Created?: string
  State?: {
    Status?: string
    Running?: boolean
    Paused?: boolean
    Restarting?: boolean
    StartedAt?: string
    Pid?: number
    ExitCode?: number
    OOMKilled?: boolean
    Health?: { Status?: string } | undefined
  }
  HostConfig?: { NetworkMode?: string | undefined } | undefined
  Config?: {
    Image?: string
    Labels?: Record<string, string> | null
    Env?: string[] | null
    ExposedPorts?: Record<string, unknown> | null
    StopSignal?: string | number
    StopTimeout?: number | null
  }
  NetworkSettings?: {
    Ports?: Record<string, Array<{ HostIp?: string; HostPort?: string }> | null> | null
    Networks?: Record<string, InspectedNetwork | null> | null
  }
}

const SIGTERM = 15
/** Docker's own. */
const STOP_GRACE_S = 10
const SIGKILL = 9

const SIGNALS: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ABRT: 6,
  KILL: SIGKILL,
  USR1: 10,
  USR2: 12,
  ALRM: 14,
  TERM: SIGTERM,
  WINCH: 28,
  PWR: 30,
}
const SIGRTMIN = 34
const SIGRTMAX = 64

/** `SIGQUIT`, `quit`, `3`, `SIGRTMIN+3` → the number. An unknown one is SIGTERM, as in engines. */
export function signalNumber(text: string): number {
  const name = text.trim().toUpperCase().replace(/^SIG/, '')
  if (/^\d{1,2}$/.test(name)) {
    return Number(name)
  }
  const realtime = /^RT(MIN|MAX)(?:([+-]\d{1,2}))?$/.exec(name)
  if (realtime !== null) {
    return (realtime[1] === 'MIN' ? SIGRTMIN : SIGRTMAX) + Number(realtime[2] ?? 0)
  }
  return SIGNALS[name] ?? SIGTERM
}

/** Whether the signal stops the container. An application may use any other one as it likes. */
export function isStopSignal(container: Container | undefined, signal: number): boolean {
  return signal === SIGTERM || signal === SIGKILL || signal === container?.stopSignal
}

/** What of a container leads to its process. */
export type ContainerRun = Pick<Container, 'id' | 'startedAt' | 'status' | 'pid'>

/** One life of a container: a restart keeps the id and gets another instant. */
export function runOf(container: Pick<Container, 'id' | 'startedAt'>): string {
  return shortId(container.id) + '/' + container.startedAt
}

export function shortId(id: string): string {
  return id.slice(0, 12)
}

function statusOf(state: Inspected['State']): Container['status'] {
  // Engines call a container both running and restarting while it waits for its next start.
  if (state?.Running !== true || state.Restarting === true) {
    return 'stopped'
  }
  return state.Paused === true ? 'paused' : 'running'
}

function healthOf(text: string | undefined): Container['health'] {
  return text === 'starting' || text === 'healthy' || text === 'unhealthy' ? text : 'none'
}

function splitEnv(line: string): readonly [string, string] {
  const at = line.indexOf('=')
  return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)]
}

function portsOf(inspected: Inspected, protocol: string): number[] {
  const exposed = Object.keys(inspected.Config?.ExposedPorts ?? {})
  const known = Object.keys(inspected.NetworkSettings?.Ports ?? {})
  const numbers = [...exposed, ...known]
    .map((text) => text.split('/'))
    .filter(([, its]) => (its ?? 'tcp') === protocol)
    .map(([port]) => Number(port))
  return [...new Set(numbers)].sort((a, b) => a - b)
}

function publishedOf(inspected: Inspected): PublishedPort[] {
  const ports = Object.entries(inspected.NetworkSettings?.Ports ?? {})
  return ports
    .filter(([key]) => /\/(tcp|udp)$/.test(key))
    .flatMap(([key, bindings]) =>
      (bindings ?? []).map((binding) => ({
        port: Number(key.split('/')[0]),
        transport: key.endsWith('/udp') ? ('udp' as const) : ('tcp' as const),
        hostAddress: binding.HostIp ?? '',
        hostPort: Number(binding.HostPort),
      })),
    )
}

function networksOf(inspected: Inspected, overlays: ReadonlySet<string>): ContainerNetwork[] {
  return Object.entries(inspected.NetworkSettings?.Networks ?? {}).map(([name, network]) => ({
    name,
    address: network?.IPAddress || network?.GlobalIPv6Address || undefined,
    ...(overlays.has(network?.NetworkID ?? '') && { isOverlay: true }),
  }))
}

function endOf(state: Inspected['State']): ContainerEnd | undefined {
  return statusOf(state) === 'stopped' && state?.ExitCode !== undefined
    ? { exitCode: state.ExitCode, outOfMemory: state.OOMKilled === true }
    : undefined
}

/** What is read of `GET /images/<id>/json`. */
export function readImage(inspected: { Config?: Inspected['Config'] | null }): ImageConfig {
  const { Labels, Env } = inspected.Config ?? {}
  return { labels: Labels ?? {}, env: (Env ?? []).map(splitEnv) }
}

/**
 * An engine's answer → {@link Container}. `overlays` are ids of networks. Never throws: what is
 * missing is empty.
 */
export function readInspected(
  inspected: Inspected,
  overlays: ReadonlySet<string> = new Set(),
): Container {
  const { State: state, Config: config } = inspected
  const end = endOf(state)
  return {
    id: inspected.Id,
    name: inspected.Name.replace(/^\//, ''),
    image: config?.Image ?? '',
    labels: config?.Labels ?? {},
    env: (config?.Env ?? []).map(splitEnv),
    networkMode: inspected.HostConfig?.NetworkMode ?? '',
    networks: networksOf(inspected, overlays),
    tcpPorts: portsOf(inspected, 'tcp'),
    udpPorts: portsOf(inspected, 'udp'),
    published: publishedOf(inspected),
    status: statusOf(state),
    health: healthOf(state?.Health?.Status),
    stopSignal: signalNumber(String(config?.StopSignal ?? SIGTERM)),
    stopGraceMs: 1000 * (config?.StopTimeout ?? STOP_GRACE_S),
    pid: state?.Pid ?? 0,
    ...(end !== undefined && { end }),
    createdAt: inspected.Created ?? '',
    startedAt: state?.StartedAt ?? '',
  }
}
