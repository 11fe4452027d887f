/**
 * What the admin endpoint accepts and how it answers. Every refusal is a Rejection with the
 * status of its code.
 */
import { CODES } from '../../contract/codes.js'
import type { Code } from '../../contract/codes.js'
import type { Checked } from '../../contract/guard/checked.js'
import type { Rejection } from '../../contract/push.js'
import { MAX_BODY_BYTES } from '../../contract/table/zones.js'

export interface AdminAnswer {
  status: number
  body: string
}

export function answerOk(body: unknown): AdminAnswer {
  return { status: 200, body: JSON.stringify(body) }
}

/**
 * `more` is what helps the controller to go on: the field that is wrong, or the state that is
 * there.
 */
export function reject(code: Code, message: string, more: Partial<Rejection>): AdminAnswer {
  const rejection = Object.assign({ code: code, message: message }, more)
  return { status: CODES[code].status, body: JSON.stringify(rejection) }
}

/**
 * Runs a call. Whatever goes wrong in it is an answer too; what it wrote until then is its own
 * affair.
 */
export function guarded(call: () => AdminAnswer): AdminAnswer {
  try {
    return call()
  } catch (error) {
    return reject('internal', String(error), {})
  }
}

export function methodRefusal(method: string, allowed: string): AdminAnswer | null {
  return method === allowed
    ? null
    : reject('method_not_allowed', 'the method here is ' + allowed + ', not ' + method, {})
}

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
