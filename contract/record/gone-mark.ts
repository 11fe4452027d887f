/**
 * How a delete that was meant is known from a lost lease: a store like etcd does not say why a key
 * went. So whoever deletes a record that is under a lease marks it as `gone` a moment before. A
 * record that is under no lease cannot be lost by one.
 */
import { isObject } from '../guard/guarded.js'

/** The fields of an instance's record that say so. */
interface Leased {
  ttlMs?: unknown
  agent?: unknown
  gone?: unknown
}

/** Whether an instance's record is under a lease: somebody has to renew it. */
export function isLeased(record: Leased): boolean {
  return record.ttlMs !== undefined || record.agent !== undefined
}

/** The record of an instance that is about to be deleted on purpose. */
export function markGone<T extends object>(record: T): T & { gone: true } {
  return Object.assign({}, record, { gone: true as const })
}

export function isGone(record: Leased): boolean {
  return record.gone === true
}

/** The record in a text of the registry; one without fields where the text is no object. */
export function recordIn(text: string): Leased {
  try {
    const record: unknown = JSON.parse(text)
    return isObject(record) ? record : {}
  } catch (_) {
    return {}
  }
}
