/** What the controller shows of itself: gateways, registry, suspects, events. */
import type { Code } from '../contract/codes.js'
import type { AgentProblem, AgentSource } from '../contract/record/agent-record.js'
import type { GatewayCondition, RefusedValue } from '../contract/record/gateway-record.js'
import type { FindingCode } from './findings/codes.js'

export interface StreamView {
  /** Ports that are open for routes, such as `9100-9104 9106`. */
  ports: string
  /** Those of them whose routes may have `timeouts` and `proxyProtocol`. */
  tuned: string
  /** Whether TLS connections to the HTTPS port are passed through by name. */
  passthrough: boolean
  connected: boolean
  /** Why there are none, or it is not connected, for people. */
  reason?: string
}

export interface GatewayView {
  id: string
  /** Revision that the gateway acknowledged, and the one that it should have. */
  applied: number
  desired: number
  /** Milliseconds since it fell behind; 0 when it is level. */
  lagMs: number
  connected: boolean
  /** Unix milliseconds since which `connected` is as it is, where that is known. */
  sinceAtMs?: number
  workers: number
  nginx: string
  njs: string
  /** Unix milliseconds at which Sluice fetched that nginx. Absent: it did not, as far as known. */
  nginxFetchedAtMs?: number
  /** What it found out itself about instances, by `<upstream>/<id>`; see the record. */
  conditions: Record<string, GatewayCondition>
  /** Its side for connections; absent where another controller does not report it. */
  stream?: StreamView
  /** Why it is not connected or not level, for people. */
  reason?: string
  /** Of the reason, where something is wrong. */
  code?: Code
  /** Values of the registry that it does not take as they stand, as far as it says. */
  refused?: RefusedValue[]
}

/** In-flight requests of an instance at one gateway. */
export interface InFlight {
  gateway: string
  /** Exact up to 64, a lower bound above; undefined where the gateway has not said. */
  active: number | undefined
}

export interface RegistryView {
  kind: string
  connected: boolean
  /**
   * Unix milliseconds of the last time the registry was known to agree; undefined before the first.
   */
  syncedAtMs: number | undefined
  /** Why it is not connected, for people, where that is known. */
  reason?: string | undefined
}

/** A value of the registry that is not served as it stands. */
export interface RefusedView extends RefusedValue {
  sinceAtMs: number
}

/** An agent that is alive, as its `hosts/<id>` record says. */
export interface AgentView {
  id: string
  /** Set while its container engine cannot be reached, or is not believed (`isDoubted`). */
  engine?: { reason: string; sinceAtMs: number; isDoubted?: true }
  problems?: AgentProblem[]
  /** What it follows besides the engine. */
  sources?: AgentSource[]
}

/** A source that an agent follows, as the agent reports it. */
export interface SourceView extends AgentSource {
  agent: string
}

/** One thing that is wrong with the running system. */
export interface Finding {
  code: FindingCode
  /** What it is about, such as an upstream's name, a gateway's id or a registry key. */
  subject?: string
  /** Unix milliseconds. */
  sinceAtMs: number
  /** What is so, and what it means for requests. */
  message: string
  /** What to do about it. */
  cure: string
}

/** A removal that is not believed yet. */
export interface SuspectView {
  upstream: string
  instances: string[]
  reason: string
  sinceAtMs: number
  /** When it will be believed if the registry stays reachable. */
  untilAtMs: number
}

export type ControllerEvent =
  | {
      type: 'change'
      revision: number
      kind: 'upstream' | 'instance' | 'route' | 'certificate'
      upstream?: string
      id?: string
      state: string
    }
  | { type: 'gateway'; revision: number; id: string; applied: number; connected: boolean }
  | { type: 'registry'; revision: number; connected: boolean; reason?: string }
  | {
      type: 'health'
      revision: number
      upstream: string
      id: string
      /** As the own gateway has it now. */
      state: string
      reason?: string
    }
  | {
      type: 'finding'
      revision: number
      code: FindingCode
      subject?: string
      state: 'begun' | 'ended'
      message: string
    }
  | { type: 'suspect'; revision: number; upstream: string; instances: string[]; reason: string }

/**
 * How an upstream, or a request, is served. `open`: by nginx alone, at all of its gates. `closed`:
 * by the table, for now. `none`: by the table, for as long as nginx or the upstream is as it is.
 */
export interface LaneNow {
  state: 'open' | 'closed' | 'none'
  /** Why it is not open. */
  reason?: string
}

export interface LaneView extends LaneNow {
  upstream: string
  /** Unix milliseconds since which it is so. */
  sinceAtMs: number
}

/** A request that is asked about. */
export interface AskedRequest {
  host: string
  /** As the client sends it. */
  path: string
  /** Where it goes, if that is one upstream. */
  upstream: string | undefined
}

/** A question to DNS from which an upstream has instances, and how it stands at this controller. */
export interface DnsNameView {
  name: string
  type: 'A' | 'AAAA' | 'SRV'
  /** `empty`, `failed`: what was good last serves on. */
  state: 'unasked' | 'good' | 'empty' | 'failed'
  /** How many records were good last. */
  records: number
  /** Why it is not good, or what of it may not serve. */
  reason?: string
  /** Unix milliseconds since which it is not good. */
  sinceAtMs?: number
  /** Unix milliseconds at which it was good last; absent: never. */
  answeredAtMs?: number
}

/** What nginx chooses by itself at the own gateway. */
export interface LanesView {
  /** By name, of every upstream. */
  upstreams: ReadonlyMap<string, LaneView>
  /** How many of them are in which state. */
  counts(): Record<LaneNow['state'], number>
  /** Whether the configuration that nginx takes when it is reloaded has all lanes. */
  isWritten: boolean
  ofRequest(request: AskedRequest): LaneNow
}
