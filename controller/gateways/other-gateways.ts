/**
 * The gateways of other controllers, from `gateways/<id>` (what they have) and `presence/<id>`
 * (their controller lives). A gateway without presence is still known: it may serve.
 */
import { CODES } from '../../contract/codes.js'
import { parseKey } from '../../contract/keys.js'
import { isObject } from '../../contract/guard/guarded.js'
import type {
  GatewayCondition,
  GatewayRecord,
  RefusedValue,
} from '../../contract/record/gateway-record.js'
import type { Change, Listing } from '../../registry/registry.js'

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isCondition(value: unknown): value is GatewayCondition {
  const { state, reason } = (value ?? {}) as Partial<Record<keyof GatewayCondition, unknown>>
  return (state === 'up' || state === 'down') && typeof reason === 'string'
}

function isRefusedValue(value: unknown): value is RefusedValue {
  const { key, message, revision } = (value ?? {}) as Partial<Record<keyof RefusedValue, unknown>>
  return typeof key === 'string' && typeof message === 'string' && isCount(revision)
}

type RawRecord = Partial<Record<keyof GatewayRecord, unknown>>

function hasFields(value: RawRecord): boolean {
  const { applied, connected, workers, nginx, njs, active, conditions = {} } = value
  return (
    isCount(applied) &&
    typeof connected === 'boolean' &&
    isCount(workers) &&
    typeof nginx === 'string' &&
    typeof njs === 'string' &&
    isObject(active) &&
    Object.values(active).every(isCount) &&
    isObject(conditions) &&
    Object.values(conditions).every(isCondition)
  )
}

/** The record, or undefined when it is none. What it may leave out and is not right is left out. */
export function parseGateway(text: string): GatewayRecord | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isObject(value) || !hasFields(value)) {
    return undefined
  }
  // Controllers of before say nothing of conditions.
  const { applied, connected, workers, nginx, njs, active, conditions = {} } = value
  const { reason, code, refused, atMs, sinceAtMs, nginxFetchedAtMs } = value
  return {
    ...{ applied, connected, workers, nginx, njs, active, conditions },
    ...(typeof reason === 'string' && { reason }),
    ...(typeof code === 'string' && code in CODES && { code }),
    ...(Array.isArray(refused) && { refused: refused.filter(isRefusedValue) }),
    ...(isCount(atMs) && { atMs }),
    ...(isCount(sinceAtMs) && { sinceAtMs }),
    ...(isCount(nginxFetchedAtMs) && { nginxFetchedAtMs }),
  } as GatewayRecord
}

export interface OtherGateway {
  record: GatewayRecord
  /** Unix milliseconds since which its controller is away; undefined while it lives. */
  awaySinceAtMs: number | undefined
}

/** What a key says, of another gateway than this controller's. */
interface Heard {
  kind: 'gateways' | 'presence'
  id: string
}

export class OtherGateways {
  readonly #ownId: string
  readonly #records = new Map<string, GatewayRecord>()
  readonly #present = new Set<string>()
  /** When presence was seen to end. */
  readonly #leftAtMs = new Map<string, number>()

  /** `ownId` is this controller's gateway, which is none of these. */
  constructor(ownId: string) {
    this.#ownId = ownId
  }

  get size(): number {
    return this.#records.size
  }

  all(): Map<string, OtherGateway> {
    return new Map(
      [...this.#records].map(([id, record]) => [
        id,
        { record, awaySinceAtMs: this.#awaySinceAtMs(id, record) },
      ]),
    )
  }

  /** The ids that changed. */
  onListing(listing: Listing): string[] {
    const before = new Set([...this.#records.keys(), ...this.#present])
    const wasPresent = new Set(this.#present)
    this.#records.clear()
    this.#present.clear()
    const now = listing.entries.flatMap(({ key, value }) => this.#put(key, value))
    wasPresent.forEach((id) => this.#noteLeft(id))
    return [...new Set([...before, ...now])]
  }

  /** The ids that changed. */
  onChanges(changes: Change[]): string[] {
    const ids = changes.flatMap((change) =>
      change.type === 'put' ? this.#put(change.key, change.value) : this.#delete(change.key),
    )
    return [...new Set(ids)]
  }

  /**
   * A record of an older version is under the lease itself. A gateway that this process never saw
   * left when it last wrote.
   */
  #awaySinceAtMs(id: string, { atMs }: GatewayRecord): number | undefined {
    return atMs === undefined || this.#present.has(id)
      ? undefined
      : (this.#leftAtMs.get(id) ?? atMs)
  }

  #heard(key: string): Heard | undefined {
    const parsed = /^(gateways|presence)\//.test(key) ? parseKey(key) : null
    const isOther = parsed?.kind === 'gateways' || parsed?.kind === 'presence'
    return isOther && parsed.id !== this.#ownId ? parsed : undefined
  }

  #put(key: string, value: string): string[] {
    const heard = this.#heard(key)
    if (heard === undefined) {
      return []
    }
    const { kind, id } = heard
    if (kind === 'presence') {
      this.#present.add(id)
      this.#leftAtMs.delete(id)
      return [id]
    }
    const record = parseGateway(value)
    if (record === undefined) {
      return []
    }
    this.#records.set(id, record)
    return [id]
  }

  #delete(key: string): string[] {
    const heard = this.#heard(key)
    if (heard === undefined) {
      return []
    }
    const { kind, id } = heard
    if (kind === 'presence') {
      this.#present.delete(id)
      this.#noteLeft(id)
    } else {
      this.#records.delete(id)
    }
    return [id]
  }

  #noteLeft(id: string): void {
    if (!this.#present.has(id)) {
      this.#leftAtMs.set(id, this.#leftAtMs.get(id) ?? Date.now())
    }
  }
}
