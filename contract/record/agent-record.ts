/** What an agent writes of itself. */

/** Something that an agent found wrong with what it registers. */
export interface AgentProblem {
  /** A host or port that several upstreams want; an address that the agent does not reach. */
  code: 'host_contested' | 'address_unreached'
  /** `app.example.com/`, `tcp 9100`; `10.0.0.5:8080` */
  subject: string
  /** For people; at most 300 characters. */
  message: string
  /** Unix milliseconds. */
  sinceAtMs: number
}

/** A source that the agent follows besides its container engine. */
export interface AgentSource {
  /** `files`, `consul`, `etcd` */
  name: string
  /** For people. */
  address: string
  /** Instances that are registered from it. */
  instances: number
  /** Entries that are not used. */
  refused: number
  /** The first of these and why, for people; at most 300 characters. */
  refusal?: string
  /**
   * Set while it cannot be read, or is read and not believed (`isDoubted`): why, and since when
   * (Unix ms).
   */
  away?: { reason: string; sinceAtMs: number; isDoubted?: true }
}

/** `hosts/<id>` (leased): an agent that is alive. */
export interface AgentRecord {
  address: string
  containers: number
  /**
   * Set while its container engine is out of reach, or answers and is not believed (`isDoubted`):
   * the reason, for people, and since when (Unix ms).
   */
  engine?: { reason: string; sinceAtMs: number; isDoubted?: true }
  /** Absent: none. */
  problems?: AgentProblem[]
  /** Absent: none but the engine. */
  sources?: AgentSource[]
  /** The machine's name, for people. */
  name?: string
  /**
   * What tells two machines with one agent id apart: the mark of the home, and the machine's start.
   */
  owner?: string
  boot?: string
}
