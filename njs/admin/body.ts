/** What the admin endpoint accepts as a body. */
import type { Guarded } from '../../contract/guard/guarded.js'
import { MOST_BODY_BYTES } from '../../contract/table/limits.js'
import { reject } from './answer.js'
import type { AdminAnswer } from './answer.js'

function parseBody(text: string): { ok: boolean; value: unknown } {
  try {
    return { ok: true, value: JSON.parse(text) as unknown }
  } catch (error) {
    return { ok: false, value: undefined }
  }
}

/** `use` gets the body when its type and size are right and all of it passed the guard. */
export function withBody<T>(
  contentType: string | undefined,
  text: string | undefined,
  guard: (value: unknown, text: string) => Guarded<T>,
  use: (body: T) => AdminAnswer,
): AdminAnswer {
  const type = contentType === undefined ? '' : (contentType.split(';')[0] as string).trim()
  if (type.toLowerCase() !== 'application/json') {
    return reject('unsupported_media_type', 'the body must be application/json', {})
  }
  if (text === undefined || text === '') {
    return reject('invalid', 'the body is empty', {})
  }
  if (text.length > MOST_BODY_BYTES) {
    return reject('too_large', 'the body has more than ' + MOST_BODY_BYTES + ' bytes', {})
  }
  const parsed = parseBody(text)
  if (!parsed.ok) {
    return reject('invalid', 'the body is not JSON', {})
  }
  const guarded = guard(parsed.value, text)
  return guarded.ok
    ? use(guarded.value)
    : reject('invalid', guarded.message, { field: guarded.field })
}
