/** The bytes of an engine's event stream → events. Lines may come in pieces, and several in one piece. */
import { StringDecoder } from 'node:string_decoder'

export interface EngineEvent {
  /** What happened to the container: `start`, `kill`, `die`, `health_status`, `connect`, … */
  action: string
  /** Id of the container. */
  container: string
  /** Number of the signal, with `kill`. */
  signal: number | undefined
}

/** A container with 80 KB of labels sends them with every event; more than this is no event of an engine. */
const MOST_CHARACTERS = 1 << 20

export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8')
  readonly #onLine: (line: string) => void
  readonly #onOverflow: () => void
  #parts: string[] = []
  #length = 0
  #skipping = false

  /** `onOverflow` is called once for each line that is too long; the line itself is dropped. */
  constructor(onLine: (line: string) => void, onOverflow: () => void) {
    this.#onLine = onLine
    this.#onOverflow = onOverflow
  }

  push(chunk: Buffer): void {
    const [first = '', ...others] = this.#decoder.write(chunk).split('\n')
    this.#append(first)
    for (const part of others) {
      this.#end()
      this.#append(part)
    }
  }

  #append(part: string): void {
    this.#length += part.length
    if (this.#skipping || part === '') {
      return
    }
    if (this.#length > MOST_CHARACTERS) {
      this.#skipping = true
      this.#parts = []
      this.#onOverflow()
      return
    }
    this.#parts.push(part)
  }

  #end(): void {
    const line = this.#parts.join('').trim()
    this.#parts = []
    this.#length = 0
    this.#skipping = false
    if (line !== '') {
      this.#onLine(line)
    }
  }
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
