/** Which source an agent's record is from, so that a source that has not spoken yet loses none. */
import { createHash } from 'node:crypto'
import { parseKey } from '../../contract/keys.js'
import { isInstanceId } from '../../contract/guard/names.js'
import type { InstanceRecord } from '../../contract/record/instance-record.js'
import { agentRoutePrefix } from '../../runtime/agent-routes.js'

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 20)
}

/** A source's id for a route: `parts` say what is the same in each level. */
export function sourceRouteId(agent: string, source: string, ...parts: string[]): string {
  return `${agentRoutePrefix(agent)}${source}-${digest(parts.join(' '))}`
}

/** `<agent>:<source>:<entry…>`; the entry as a digest where it is no id. */
export function sourceInstanceId(agent: string, source: string, ...entry: string[]): string {
  const id = [agent, source, ...entry].join(':')
  return isInstanceId(id) ? id : `${agent}:${source}:${digest(entry.join(' '))}`
}

/** `files`, `consul`; `docker` of a container; undefined: of none, such as the agent itself. */
export function ownerOf(key: string, value: string, agent: string): string | undefined {
  const parsed = parseKey(key)
  if (parsed?.kind === 'routes') {
    const rest = parsed.id.slice(agentRoutePrefix(agent).length)
    return /^([a-z-]+)-[0-9a-f]{20}$/.exec(rest)?.[1] ?? 'docker'
  }
  if (parsed?.kind !== 'instances') {
    return undefined
  }
  try {
    const { metadata = {} } = JSON.parse(value) as Partial<InstanceRecord>
    return metadata.containerId === undefined ? metadata.source : 'docker'
  } catch {
    // Nobody can read it: no source asks for it.
    return undefined
  }
}

type Entries = ReadonlyMap<string, string>

/** An agent's records by the source that each is from. */
export function entriesBySource(entries: Entries, agent: string): ReadonlyMap<string, Entries> {
  const bySource = new Map<string, Map<string, string>>()
  for (const [key, value] of entries) {
    const owner = ownerOf(key, value, agent)
    if (owner !== undefined) {
      const own = bySource.get(owner) ?? new Map<string, string>()
      bySource.set(owner, own.set(key, value))
    }
  }
  return bySource
}
