/**
 * What all kinds of checks share: one end for each attempt, however many events come, and its limit
 * in time.
 */
import type { SecureContext } from 'node:tls'
import type { CheckPolicy } from '../../../contract/record/check-policy.js'

/**
 * Where an instance is asked: an IP literal without brackets, and the check's own port where the
 * policy names one.
 */
export interface CheckAddress {
  host: string
  port: number
  /** Absent: without TLS. */
  tls?: CheckTls | undefined
}

export interface CheckTls {
  /** The name asked for, which the certificate must be for; '' for none. */
  name: string
  /** Whether the certificate must be for `name`, and by somebody whom `context` trusts. */
  verify: boolean
  /** Whom to trust and what to show; absent: nobody, and nothing. */
  context?: SecureContext
}

/**
 * `reason` is for people: `check failed: answered 503`. With `isOurs` nothing was learnt of the
 * instance, because this process lacked what an attempt needs (file descriptors, ports, memory) or
 * stopped it.
 */
export type CheckResult = { ok: true } | { ok: false; reason: string; isOurs?: true }

/** Never rejects; ends within `policy.timeoutMs`, or at once when `signal` aborts. */
export type Check = (
  address: CheckAddress,
  policy: CheckPolicy,
  signal: AbortSignal,
) => Promise<CheckResult>

export interface Attempt {
  pass: () => void
  /** `why` in a few words: `refused`. */
  fail: (why: string) => void
  /** For whatever was thrown or emitted. */
  failBy: (error: unknown) => void
}

/** A process that was held up for this long has not listened; an instance must not pay for it. */
const HELD_UP_MS = 100

/**
 * Runs `start` and resolves with the first result that its attempt gets. `start` returns what ends
 * it. That is called once, after the result, and also when time is up or `signal` aborts.
 */
export function attempt(
  timeoutMs: number,
  signal: AbortSignal,
  start: (attempt: Attempt) => () => void,
): Promise<CheckResult> {
  if (signal.aborted) {
    return Promise.resolve(STOPPED)
  }
  return new Promise((resolve) => {
    const ends: Array<() => void> = []
    let isOver = false
    const finish = (result: CheckResult): void => {
      if (!isOver) {
        isOver = true
        ends.forEach((end) => end())
        resolve(result)
      }
    }
    const stop = (): void => finish(STOPPED)
    signal.addEventListener('abort', stop)
    ends.push(() => signal.removeEventListener('abort', stop), setLimit(timeoutMs, finish))
    const end = tryStart(start, finish)
    if (isOver) {
      end()
    } else {
      ends.push(end)
    }
  })
}

const STOPPED: CheckResult = { ok: false, reason: 'check was stopped', isOurs: true }

/**
 * When the timer itself comes late, what the instance sent may lie unread: it gets the lost time
 * again, once.
 */
function setLimit(timeoutMs: number, finish: (result: CheckResult) => void): () => void {
  const reason = `check failed: no answer in ${timeoutMs} ms`
  const dueMs = performance.now() + timeoutMs
  const timeIsUp = (): void => finish({ ok: false, reason })
  let timer = setTimeout(() => {
    const lateMs = performance.now() - dueMs
    if (lateMs < HELD_UP_MS) {
      return timeIsUp()
    }
    timer = setTimeout(timeIsUp, Math.min(lateMs, timeoutMs))
  }, timeoutMs)
  return () => clearTimeout(timer)
}

function tryStart(
  start: (attempt: Attempt) => () => void,
  finish: (result: CheckResult) => void,
): () => void {
  const failBy = (error: unknown): void => finish(resultOfError(error))
  try {
    return start({
      pass: () => finish({ ok: true }),
      fail: (why) => finish({ ok: false, reason: `check failed: ${why}` }),
      failBy,
    })
  } catch (error) {
    failBy(error)
    return () => undefined
  }
}

const OURS = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'EAGAIN'])

const WORDS: Record<string, string> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'connection reset',
  ECONNABORTED: 'connection reset',
  EPIPE: 'connection reset',
  ETIMEDOUT: 'no answer from its machine',
  EHOSTUNREACH: 'its machine cannot be reached',
  EHOSTDOWN: 'its machine cannot be reached',
  ENETUNREACH: 'its network cannot be reached',
  EPERM: 'not allowed by a firewall here',
  EACCES: 'not allowed by a firewall here',
  EPROTO: 'TLS failed',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is by nobody who is trusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is by nobody who is trusted',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate is by nobody who is trusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is by nobody who is trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is by nobody who is trusted',
  UND_ERR_SOCKET: 'closed before its answer was complete',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'closed before its answer was complete',
  UND_ERR_HEADERS_OVERFLOW: 'header of its answer is too large',
  HPE_HEADER_OVERFLOW: 'header of its answer is too large',
  HPE_INVALID_EOF_STATE: 'closed before its answer was complete',
}

/** An error of a socket, of TLS or of undici, in plain words. */
function resultOfError(error: unknown): CheckResult {
  const code = codeOf(error)
  if (OURS.has(code)) {
    return { ok: false, reason: `check could not be made: ${code}`, isOurs: true }
  }
  return { ok: false, reason: `check failed: ${wordsFor(code)}` }
}

function wordsFor(code: string): string {
  const words = WORDS[code]
  if (words !== undefined) {
    return words
  }
  if (code.startsWith('HPE_')) {
    return 'its answer is not HTTP'
  }
  if (code.startsWith('ERR_HTTP2_')) {
    return 'connection lost, or its answer is not gRPC'
  }
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')) {
    return 'TLS failed'
  }
  return code === '' ? 'for an unknown cause' : code
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) {
    return ''
  }
  const code = 'code' in error ? error.code : undefined
  if (typeof code === 'string') {
    return code
  }
  // undici knows not every one of its parser's errors by a code.
  return error.name === 'HTTPParserError' ? 'HPE_UNKNOWN' : ''
}
