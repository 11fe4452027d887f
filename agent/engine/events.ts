/** The bytes of an engine's event stream → events. */
import { Writable } from 'node:stream'
import type { Transform } from 'node:stream'
import split2 from 'split2'

export interface EngineEvent {
  /** What happened to the container: `start`, `kill`, `die`, `health_status`, `connect`, … */
  action: string
  /** Id of the container. */
  container: string
  /** Number of the signal, with `kill`. */
  signal: number | undefined
}

/** A container with 80 KB of labels sends them with every event. Longer lines are no events. */
const LIMITS = { maxLength: 1 << 20, skipOverflow: true }

/** `overflow`, which split2's types leave out: it is inside a line that is too long. */
type LineSplitter = Transform & { overflow: boolean }

/** Blank lines are dropped, and lines too long, with one `onOverflow` for each. */
export function splitLines(onLine: (line: string) => void, onOverflow: () => void): Writable {
  const lines = split2(LIMITS) as LineSplitter
  let wasOverflowing = false
  const onWritten = () => {
    if (lines.overflow && !wasOverflowing) {
      onOverflow()
    }
    wasOverflowing = lines.overflow
  }
  lines.on('data', (line: string) => line !== '' && onLine(line))
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.write(chunk, () => {
        onWritten()
        done()
      })
    },
  })
}

interface RawEvent {
  Type?: string
  Action?: string
  status?: string
  id?: string
  Actor?: { ID?: string; Attributes?: Record<string, string> }
}

function parseObject(line: string): RawEvent | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' ? value : null
  } catch {
    return null
  }
}

function actionOf(raw: RawEvent): string {
  // Docker writes `health_status: healthy`, podman `health_status` alone; podman also says `died`.
  const action = (raw.Action ?? raw.status ?? '').split(':')[0] ?? ''
  return action === 'died' ? 'die' : action
}

/** One line of the stream → the event, or null when it is about no container. Never throws. */
export function parseEvent(line: string): EngineEvent | null {
  const raw = parseObject(line)
  if (raw === null) {
    return null
  }
  const attributes = raw.Actor?.Attributes ?? {}
  const type = raw.Type ?? 'container'
  const container = type === 'network' ? attributes.container : (raw.Actor?.ID ?? raw.id)
  if (typeof container !== 'string' || (type !== 'network' && type !== 'container')) {
    return null
  }
  const signal = Number(attributes.signal)
  return {
    action: actionOf(raw),
    container,
    signal: Number.isInteger(signal) && signal > 0 ? signal : undefined,
  }
}
