/** Fields of a request's body, given one by one on a command line. */
import { UsageError } from './usage-error.js'

const FIELD = /^([A-Za-z0-9][\w-]*(?:\.[A-Za-z0-9][\w-]*)*)=(.*)$/s

/**
 * `balance=leastConn`: the parts of a body before `=`, with dots between; what follows is JSON, or
 * else a text.
 */
function fieldOf(text: string, example: string): [path: string[], value: unknown] {
  const match = FIELD.exec(text)
  if (match === null) {
    throw new UsageError(`${JSON.stringify(text)} is not right; expected ${example}`)
  }
  const value = match[2] ?? ''
  try {
    return [(match[1] ?? '').split('.'), JSON.parse(value)]
  } catch {
    // Names and sources come without quotes; what must be no text, the API refuses by name.
    return [(match[1] ?? '').split('.'), value]
  }
}

/** All of them as one object: `retry.tries=2 hash=null` → `{retry: {tries: 2}, hash: null}`. */
export function parseFields(texts: string[], example: string): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  for (const [path, value] of texts.map((text) => fieldOf(text, example))) {
    let part = fields
    for (const name of path.slice(0, -1)) {
      const inner = part[name]
      const next = typeof inner === 'object' && inner !== null ? inner : {}
      part[name] = next
      part = next as Record<string, unknown>
    }
    part[path.at(-1) ?? ''] = value
  }
  return fields
}
