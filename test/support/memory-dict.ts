// The dicts of nginx, in memory, for tests of the pure parts of njs/.
import type { Dict, NumberDict } from '../../njs/memory/dict.js'

export interface MemoryDict extends Dict {
  /** Every entry, sorted by key. */
  entries(): Array<[string, string]>
}

class SharedMemoryError extends Error {
  override name = 'SharedMemoryError'
}

/**
 * An entry costs its length and `OVERHEAD`; like nginx, it makes the new value before it frees the
 * old one.
 */
const OVERHEAD = 100

export function memoryDict(capacity = 1 << 20): MemoryDict {
  const map = new Map<string, string>()
  let used = 0
  const sizeOf = (key: string, value: string): number => key.length + value.length + OVERHEAD
  return {
    capacity,
    get: (key) => map.get(key),
    set: (key, value) => {
      const old = map.get(key)
      if (used + sizeOf(key, value) > capacity) {
        throw new SharedMemoryError()
      }
      map.set(key, value)
      used += sizeOf(key, value) - (old === undefined ? 0 : sizeOf(key, old))
    },
    delete: (key) => {
      const old = map.get(key)
      used -= old === undefined ? 0 : sizeOf(key, old)
      return map.delete(key)
    },
    freeSpace: () => capacity - used,
    entries: () => [...map].sort(([a], [b]) => (a < b ? -1 : 1)),
  }
}

export function memoryNumberDict(): NumberDict {
  const map = new Map<string, number>()
  return {
    get: (key) => map.get(key),
    add: (key, value) => !map.has(key) && map.set(key, value) !== undefined,
    set: (key, value) => map.set(key, value),
    incr: (key, by) => {
      const next = (map.get(key) ?? 0) + by
      map.set(key, next)
      return next
    },
    delete: (key) => map.delete(key),
    keys: (most) => [...map.keys()].slice(0, most < 0 ? undefined : most),
  }
}
