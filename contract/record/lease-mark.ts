/**
 * How writers and readers tell a delete that was meant from a lost lease. A
 * store like etcd does not say why a key went. So a record that stands under a lease is marked in
 * the moment before it is deleted on purpose; one that stands under none cannot be lost by one.
 */
import { isObject } from '../guard/guarded.js'

/** What the rule looks at in an instance's record. */
interface Claimed {
  ttlMs?: unknown
  agent?: unknown
  gone?: unknown
}

/** Whether an instance's record stands under a lease: somebody has to renew it. */
export function isLeased(record: Claimed): boolean {
  return record.ttlMs !== undefined || record.agent !== undefined
}

/** The record, marked: it is about to be deleted on purpose. */
export function marked<T extends object>(record: T): T & { gone: true } {
  return Object.assign({}, record, { gone: true as const })
}

export function isMarked(record: Claimed): boolean {
  return record.gone === true
}

/** The record that a text holds; without fields where somebody else wrote it. */
export function recordIn(text: string): Claimed {
  try {
    const record: unknown = JSON.parse(text)
    return isObject(record) ? record : {}
  } catch (_) {
    return {}
  }
}
