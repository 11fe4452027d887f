/** Records that the registry does not take: one of them must not keep the others away. */
import type { RegistryOperation } from '../../registry/registry.js'
import { SluiceError } from '../../runtime/errors.js'
import type { Registered } from './reconcile.js'

/** Trying again would not help. */
const CODES = new Set<string>(['invalid', 'forbidden', 'too_large'])

export function isRefusal(error: unknown): error is SluiceError {
  return error instanceof SluiceError && CODES.has(error.code)
}

export class RefusedWrites {
  /** Key → value. */
  readonly #values = new Map<string, string>()

  add(operation: RegistryOperation): void {
    if (operation.type === 'put') {
      this.#values.set(operation.key, operation.value)
    }
  }

  /** What is wanted. In place of what was refused, the last good value, until a new one comes. */
  leaveOut(
    wanted: ReadonlyMap<string, string>,
    registered: ReadonlyMap<string, Registered>,
  ): Map<string, string> {
    const allowed = new Map(wanted)
    for (const [key, refused] of this.#values) {
      const good = registered.get(key)
      if (allowed.get(key) !== refused) {
        this.#values.delete(key)
      } else if (good === undefined) {
        allowed.delete(key)
      } else {
        allowed.set(key, good.value)
      }
    }
    return allowed
  }
}
