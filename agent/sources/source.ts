/** What a source is: a place that says where backends are, and that an agent follows. */
import type { InstanceRecord } from '../../contract/record/instance-record.js'
import type { RouteRecord } from '../../contract/record/route.js'
import type { StreamRouteRecord } from '../../contract/record/stream-route.js'
import type { UpstreamRecord } from '../../contract/record/upstream-record.js'

/** One instance that a source wants registered. */
export interface SourceInstance {
  upstream: string
  /** Where the source has none of its own: `<agent>:<source>:<entry…>`. */
  id: string
  /** Guarded; `record.agent` is the agent that follows the source. */
  record: InstanceRecord
  /** The entry that says so, for people: `web.yaml:12`, `services/web/1`. */
  from: string
}

/** One route that a source wants. */
export interface SourceRoute {
  /** Begins with `agentRoutePrefix(agent)`. */
  id: string
  /** Guarded. */
  record: RouteRecord | StreamRouteRecord
  from: string
}

/** Something about one entry of a source. */
export interface SourceNote {
  name: string
  text: string
}

/** All that a source wants: what it leaves out is to go. */
export interface SourceLevel {
  instances: SourceInstance[]
  routes: SourceRoute[]
  /** Upstream → settings that it asks for. */
  settings: Map<string, UpstreamRecord>
  /** Entries that are not used, and why. */
  refused: SourceNote[]
  warnings: SourceNote[]
  /** How each choice was made, for `--print`. */
  why: SourceNote[]
}

export interface SourceHandlers {
  onLevel(level: SourceLevel): void
  /** Why it cannot be followed now: what it said last stays. Undefined: it can again. */
  onAway(reason: string | undefined): void
}

export interface Source {
  /** `files`, `consul`, `etcd`: stands in ids, and in what people are shown. */
  readonly name: string
  /** Where it is, for people. No credentials. */
  readonly address: string
  /** Until `signal` aborts. Never rejects: a failure is reported by `onAway` and tried again. */
  run(signal: AbortSignal, handlers: SourceHandlers): Promise<void>
  /** Reads it once, for `sluice agent --print`. Rejects when it cannot be read. */
  readOnce(): Promise<SourceLevel>
}
