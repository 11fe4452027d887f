/** Records that the registry does not take: one of them must not keep the others away. */
import type { RegistryOperation } from '../../registry/registry.js'
import { SluiceError } from '../../runtime/errors.js'
import type { Registered } from './reconcile.js'

/** Trying again would not help. */
const FINAL_CODES = new Set<string>(['invalid', 'forbidden', 'too_large'])

export function isRefusal(error: unknown): error is SluiceError {
  return error instanceof SluiceError && FINAL_CODES.has(error.code)
}

/**
 * Commits by halves, where the registry refuses all of it at once, so that the others go on.
 * `onRefused` gets each one that it refuses by itself. Rejects with any error but a refusal.
 */
export async function commitByHalves(
  operations: RegistryOperation[],
  commit: (operations: RegistryOperation[]) => Promise<void>,
  onRefused: (operation: RegistryOperation, error: SluiceError) => void,
): Promise<void> {
  try {
    await commit(operations)
  } catch (error) {
    const [first] = operations
    if (!isRefusal(error) || first === undefined) {
      throw error
    }
    if (operations.length === 1) {
      onRefused(first, error)
      return
    }
    const half = operations.length >> 1
    await commitByHalves(operations.slice(0, half), commit, onRefused)
    await commitByHalves(operations.slice(half), commit, onRefused)
  }
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
