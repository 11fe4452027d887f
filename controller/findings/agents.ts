/** What agents report of themselves in `hosts/<id>`, and the findings in it. */
import { isObject, isText } from '../../contract/guard/guarded.js'
import { parseKey } from '../../contract/keys.js'
import type { AgentProblem, AgentSource } from '../../contract/record/agent-record.js'
import type { Change, Listing } from '../../registry/registry.js'
import type { AgentView, SourceView } from '../views.js'
import type { FindingSource, Observation } from './facts.js'

/** The agents that are alive: each record stands under its agent's lease. */
export class Agents {
  readonly #views = new Map<string, AgentView>()

  views(): AgentView[] {
    return [...this.#views.values()]
  }

  sources(): SourceView[] {
    return this.views().flatMap(({ id, sources = [] }) =>
      sources.map((source) => ({ agent: id, ...source })),
    )
  }

  onListing({ entries }: Listing): void {
    this.#views.clear()
    entries.forEach(({ key, value }) => this.#put(key, value))
  }

  onChanges(changes: Change[]): void {
    for (const change of changes) {
      const id = idOf(change.key)
      if (change.type === 'put') {
        this.#put(change.key, change.value)
      } else if (id !== undefined) {
        this.#views.delete(id)
      }
    }
  }

  #put(key: string, value: string): void {
    const id = idOf(key)
    if (id !== undefined) {
      this.#views.set(id, { id, ...readHost(value) })
    }
  }
}

function idOf(key: string): string | undefined {
  const parsed = key.startsWith('hosts/') ? parseKey(key) : null
  return parsed?.kind === 'hosts' ? parsed.id : undefined
}

function readHost(text: string): Omit<AgentView, 'id'> {
  try {
    const record: unknown = JSON.parse(text)
    if (!isObject(record)) {
      return {}
    }
    const engine = engineOf(record.engine)
    const problems = Array.isArray(record.problems) ? record.problems.filter(isProblem) : []
    const sources = Array.isArray(record.sources) ? record.sources.flatMap(sourceOf) : []
    return {
      ...(engine && { engine }),
      ...(problems.length > 0 && { problems }),
      ...(sources.length > 0 && { sources }),
    }
  } catch {
    // Somebody else wrote it: it says nothing that is understood.
    return {}
  }
}

function engineOf(value: unknown): AgentView['engine'] {
  const { reason, sinceAtMs, isDoubted } = isObject(value) ? value : {}
  return typeof reason === 'string' && Number.isSafeInteger(sinceAtMs)
    ? {
        ...{ reason: reason.slice(0, 300), sinceAtMs: sinceAtMs as number },
        ...(isDoubted === true && { isDoubted }),
      }
    : undefined
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

function sourceOf(value: unknown): AgentSource[] {
  const { name, address, instances, refused, refusal, away } = isObject(value) ? value : {}
  if (!isText(name, 63) || !isText(address, 300) || !isCount(instances) || !isCount(refused)) {
    return []
  }
  const reason = engineOf(away)
  return [
    {
      ...{ name, address, instances, refused },
      ...(isText(refusal, 300) && { refusal }),
      ...(reason && { away: reason }),
    },
  ]
}

const PROBLEMS: readonly unknown[] = ['host_contested', 'address_unreached']

function isProblem(value: unknown): value is AgentProblem {
  return (
    isObject(value) &&
    PROBLEMS.includes(value.code) &&
    isText(value.subject, 300) &&
    isText(value.message, 300) &&
    Number.isSafeInteger(value.sinceAtMs)
  )
}

export const enginesAway: FindingSource = ({ agents }) =>
  agents().flatMap(({ id, engine }): Observation[] => {
    if (engine === undefined) {
      return []
    }
    const { reason, sinceAtMs, isDoubted } = engine
    const about = { subject: id, sinceAtMs }
    if (isDoubted === true) {
      const held = 'instances of containers whose processes live stay as they last were'
      const message = `agent ${id} does not believe its container engine: ${reason}; ${held}`
      return [{ ...about, code: 'engine_doubted', message }]
    }
    const message =
      `agent ${id} has no container engine to rely on: ${reason}; ` +
      'its instances stay as they last were, and containers that start are not registered'
    return [{ ...about, code: 'engine_away', message }]
  })

/** Sources that are away or not believed, or have entries that are not used. */
export const sourceTroubles: FindingSource = ({ agents }) =>
  agents().flatMap(({ id, sources = [] }) => sources.flatMap((source) => troublesOf(id, source)))

function troublesOf(agent: string, source: AgentSource): Observation[] {
  const { name, address, refused, refusal, away } = source
  const found: Observation[] = []
  const subject = `${agent} ${name}`
  const who = `agent ${agent}: source ${name} at ${address}`
  if (away !== undefined) {
    const { reason, sinceAtMs, isDoubted } = away
    const code = isDoubted === true ? 'source_doubted' : 'source_away'
    const what = isDoubted === true ? 'is not believed' : 'cannot be read'
    const message = `${who} ${what}: ${reason}; what is registered from it stays`
    found.push({ code, subject, sinceAtMs, message })
  }
  if (refused > 0) {
    const more = refused === 1 ? '' : ` and ${refused - 1} more`
    const message = `${who} has entries that are not used: ${refusal ?? 'no reason given'}${more}`
    found.push({ code: 'source_refused', subject, message })
  }
  return found
}

/** A container that is replaced is wanted twice for a moment. */
const CONTEST_GRACE_MS = 2000

/** What agents found wrong with what they register. */
export const agentProblems: FindingSource = ({ agents }) =>
  agents().flatMap(({ id, problems = [] }) =>
    problems.map(({ code, subject, message, sinceAtMs }): Observation => ({
      ...{ code, subject, sinceAtMs, message: `agent ${id}: ${message}` },
      ...(code === 'host_contested' && { graceMs: CONTEST_GRACE_MS }),
    })),
  )
