/** What agents report of themselves in `hosts/<id>`, and the findings in it. */
import { isObject } from '../../contract/guard/checked.js'
import { parseKey } from '../../contract/keys.js'
import type { Change, Listing } from '../../registry/registry.js'
import type { AgentView } from '../views.js'
import type { FindingSource } from './facts.js'

/** The agents that are alive: each record stands under its agent's lease. */
export class Agents {
  readonly #views = new Map<string, AgentView>()

  views(): AgentView[] {
    return [...this.#views.values()]
  }

  listing({ entries }: Listing): void {
    this.#views.clear()
    entries.forEach(({ key, value }) => this.#put(key, value))
  }

  changes(changes: Change[]): void {
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
      const engine = engineOf(value)
      this.#views.set(id, { id, ...(engine && { engine }) })
    }
  }
}

function idOf(key: string): string | undefined {
  const parsed = key.startsWith('hosts/') ? parseKey(key) : null
  return parsed?.kind === 'hosts' ? parsed.id : undefined
}

function engineOf(text: string): AgentView['engine'] {
  try {
    const record: unknown = JSON.parse(text)
    const engine = isObject(record) && isObject(record.engine) ? record.engine : {}
    const { reason, sinceAtMs } = engine
    return typeof reason === 'string' && Number.isSafeInteger(sinceAtMs)
      ? { reason: reason.slice(0, 300), sinceAtMs: sinceAtMs as number }
      : undefined
  } catch {
    // Somebody else wrote it: it says nothing of an engine.
    return undefined
  }
}

export const enginesAway: FindingSource = ({ agents }) =>
  agents().flatMap(({ id, engine }) => {
    if (engine === undefined) {
      return []
    }
    const message =
      `agent ${id} has no container engine to rely on: ${engine.reason}; ` +
      'its instances stay as they last were, and containers that start are not registered'
    return [{ code: 'engine_away' as const, subject: id, message, sinceAtMs: engine.sinceAtMs }]
  })
