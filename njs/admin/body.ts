/** What the admin endpoint accepts as a body. */
import type { Checked } from '../../contract/guard/checked.js'
import { MAX_BODY_BYTES } from '../../contract/table/zones.js'
import { reject } from './answer.js'
import type { AdminAnswer } from './answer.js'

function parseBody(text: string): { ok: boolean; value: unknown } {
  try {
    return { ok: true, value: JSON.parse(text) as unknown }
  } catch (error) {
    return { ok: false, value: undefined }
  }
}

/** Checks type, size and all of a body's content before `use` sees it. */
export function withBody<T>(
  contentType: string | undefined,
  text: string | undefined,
  check: (value: unknown, text: string) => Checked<T>,
  use: (body: T) => AdminAnswer,
): AdminAnswer {
  const type = contentType === undefined ? '' : (contentType.split(';')[0] as string).trim()
  if (type.toLowerCase() !== 'application/json') {
    return reject('unsupported_media_type', 'the body must be application/json', {})
  }
  if (text === undefined || text === '') {
    return reject('invalid', 'the body is empty', {})
  }
  if (text.length > MAX_BODY_BYTES) {
    return reject('too_large', 'the body has more than ' + MAX_BODY_BYTES + ' bytes', {})
  }
  const parsed = parseBody(text)
  if (!parsed.ok) {
    return reject('invalid', 'the body is not JSON', {})
  }
  const checked = check(parsed.value, text)
  return checked.ok
    ? use(checked.value)
    : reject('invalid', checked.message, { field: checked.field })
}
