/** The errors that Sluice raises on purpose. */
import { CODES } from '../contract/codes.js'
import type { Code } from '../contract/codes.js'

export interface ErrorDetails {
  /** Which input field is wrong: `port`, `operations[3].body.weight`. */
  field?: string
  /** Whether the same call may succeed later. */
  retryable?: boolean
  cause?: unknown
}

/**
 * Every error that Sluice raises on purpose. Callers match `code`; `message` is for people and
 * names what was wrong.
 */
export class SluiceError extends Error {
  readonly code: Code
  readonly field: string | undefined
  readonly retryable: boolean

  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'SluiceError'
    this.code = code
    this.field = details.field
    this.retryable = details.retryable ?? false
  }

  get status(): number {
    return CODES[this.code].status
  }
}

/** The message of whatever was thrown, for a log line or a person. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The system error code (`ENOENT`, `ECONNREFUSED`) of whatever was thrown, if it has one. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}
