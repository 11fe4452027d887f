/** How the admin endpoint answers. Every refusal is a Rejection with the status of its code. */
import { CODES } from '../../contract/codes.js'
import type { Code } from '../../contract/codes.js'
import type { Rejection } from '../../contract/push.js'

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

export function respond(r: NginxHTTPRequest, answer: AdminAnswer): void {
  r.headersOut['Content-Type'] = 'application/json'
  r.return(answer.status, answer.body + '\n')
}

export function post(r: NginxHTTPRequest, call: () => AdminAnswer): void {
  respond(
    r,
    guarded(() => methodRefusal(r.method, 'POST') || call()),
  )
}
