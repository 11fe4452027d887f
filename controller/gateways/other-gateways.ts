/** What other controllers say of their gateways, in `gateways/<id>`. */
import { CODES } from '../../contract/codes.js'
import { parseKey } from '../../contract/keys.js'
import { isObject } from '../../contract/guard/checked.js'
import type { GatewayCondition, GatewayRecord } from '../../contract/record/records.js'
import type { Change, Listing } from '../../registry/registry.js'

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isCondition(value: unknown): value is GatewayCondition {
  const { state, reason } = (value ?? {}) as Partial<Record<keyof GatewayCondition, unknown>>
  return (state === 'up' || state === 'down') && typeof reason === 'string'
}

/** The record, or undefined when it is none. */
export function parseGateway(text: string): GatewayRecord | undefined {
  let value: Partial<Record<keyof GatewayRecord, unknown>> | null
  try {
    value = JSON.parse(text) as typeof value
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) {
    return undefined
  }
  // Controllers of before say nothing of conditions.
  const { applied, connected, workers, nginx, njs, active, conditions = {} } = value
  const { reason, code } = value
  const isActive =
    typeof active === 'object' && active !== null && Object.values(active).every(isCount)
  return isCount(applied) &&
    typeof connected === 'boolean' &&
    isCount(workers) &&
    typeof nginx === 'string' &&
    typeof njs === 'string' &&
    isActive &&
    isObject(conditions) &&
    Object.values(conditions).every(isCondition)
    ? ({
        ...{ applied, connected, workers, nginx, njs, active, conditions },
        ...(typeof reason === 'string' && { reason }),
        ...(typeof code === 'string' && code in CODES && { code }),
      } as GatewayRecord)
    : undefined
}

export class OtherGateways {
  readonly #own: string
  readonly #records = new Map<string, GatewayRecord>()

  /** `own` is the id that is not foreign. */
  constructor(own: string) {
    this.#own = own
  }

  all(): ReadonlyMap<string, GatewayRecord> {
    return this.#records
  }

  /** Answers the ids that changed. */
  listing(listing: Listing): string[] {
    const before = [...this.#records.keys()]
    this.#records.clear()
    const now = listing.entries.flatMap(({ key, value }) => this.#put(key, value))
    return [...new Set([...before, ...now])]
  }

  /** Answers the ids that changed. */
  changes(changes: Change[]): string[] {
    return changes.flatMap((change) =>
      change.type === 'put' ? this.#put(change.key, change.value) : this.#delete(change.key),
    )
  }

  #idOf(key: string): string | undefined {
    const parsed = key.startsWith('gateways/') ? parseKey(key) : null
    return parsed?.kind === 'gateways' && parsed.id !== this.#own ? parsed.id : undefined
  }

  #put(key: string, value: string): string[] {
    const id = this.#idOf(key)
    const record = id === undefined ? undefined : parseGateway(value)
    if (id === undefined || record === undefined) {
      return []
    }
    this.#records.set(id, record)
    return [id]
  }

  #delete(key: string): string[] {
    const id = this.#idOf(key)
    return id !== undefined && this.#records.delete(id) ? [id] : []
  }
}
