/** The log of every process: JSON lines without secrets. */
import { pino, stdSerializers } from 'pino'
import type { Logger as Pino } from 'pino'
import { printable } from './printable.js'
import { serviceOutput } from './service-output.js'

/**
 * Messages are constant; facts go into fields: `log.warn({ upstream, instance }, 'instance
 * refused')`.
 */
export type Logger = Pick<Pino, 'debug' | 'info' | 'warn' | 'error' | 'child'>

export interface LogOptions {
  /** Which part of Sluice writes: `controller`, `agent`, `start`. */
  part: string
  level?: string
  /** Where lines go; stdout if left out. */
  to?: { write(line: string): void }
}

const REDACTED = [
  'token',
  'password',
  'privateKey',
  'authorization',
  '*.token',
  '*.password',
  '*.privateKey',
]

/** An error's own fields are not enumerable: without this a log line has `{}` in its place. */
function shownError(error: unknown): unknown {
  return error instanceof Error ? stdSerializers.errWithCause(error) : error
}

/** JSON lines on stdout; secrets are replaced before they are written. */
export function makeLogger(options: LogOptions): Logger {
  const { part, level = process.env.SLUICE_LOG_LEVEL ?? 'info', to } = options
  const settings = {
    level,
    base: { part },
    redact: REDACTED,
    serializers: { error: shownError },
    timestamp: pino.stdTimeFunctions.isoTime,
  }
  const out = to ?? serviceOutput()
  // JSON leaves some control characters as they are; in its texts alone they can stand.
  return pino(settings, { write: (line) => void out.write(printable(line)) })
}

/** For tests and one-shot commands that print their own lines. */
export const silentLogger: Logger = pino({ level: 'silent' })
