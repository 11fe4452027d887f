/** What may be asked of a registry in one commit. */
import { SluiceError } from '../runtime/errors.js'
import type { Change, RegistryEntry, RegistryOperation } from './registry.js'

/**
 * Throws `invalid` when one commit names a key twice: nobody could say which of the two counts. The
 * error's field is the key.
 */
export function refuseDoubles(operations: readonly RegistryOperation[]): void {
  const seen = new Set<string>()
  for (const { key } of operations) {
    if (seen.has(key)) {
      throw new SluiceError('invalid', `one commit names ${key} twice`, { field: key })
    }
    seen.add(key)
  }
}

/** The error of a commit whose condition on `key` did not hold. */
export function changedError(key: string): SluiceError {
  return new SluiceError('changed', `${key} changed since the revision given`, { field: key })
}

/** The error of whatever names a lease that is no more. */
export function leaseGone(id: string): SluiceError {
  return new SluiceError('not_found', `lease ${id} is gone`, { field: 'lease' })
}

/** Whether `key` stands under one of `prefixes` ('' is everything). */
export function isUnder(key: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => key.startsWith(prefix))
}

/** The longest prefix that all of `prefixes` share. */
export function commonPrefix(prefixes: readonly string[]): string {
  const [first = '', ...rest] = prefixes
  let length = first.length
  for (const prefix of rest) {
    while (!prefix.startsWith(first.slice(0, length))) {
      length -= 1
    }
  }
  return first.slice(0, length)
}

/** Brings what is known level with `change`. */
export function applyChange(known: Map<string, RegistryEntry>, change: Change): void {
  if (change.type === 'delete') {
    known.delete(change.key)
    return
  }
  const { key, value, revision } = change
  known.set(key, { key, value, revision })
}

/** The order of a listing: by key, code unit by code unit. */
export function byKey(a: { key: string }, b: { key: string }): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0
}
