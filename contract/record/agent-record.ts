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
  /** The machine's name, for people. */
  name?: string
  /**
   * What tells two machines with one agent id apart: the mark of the home, and the machine's start.
   */
  owner?: string
  boot?: string
}
