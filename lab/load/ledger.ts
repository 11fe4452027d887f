/** What clients and backends recorded, and the verdict on it. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'

/** One request as the client saw it. */
export interface ClientLine {
  id: string
  method: string
  /** The upstream that was asked for. */
  asked: string
  /** 0 when there was no whole answer; `error` then says why. */
  status: number
  /** What the backend that answered says of itself, and which request it says it got. */
  upstream: string
  instance: string
  echoedId: string
  /** Whether the backend got the body that was sent, byte for byte. */
  intact: boolean
  startMs: number
  endMs: number
  error: string
  /** SHA-256 of the certificate that was shown; '' without TLS. */
  shown: string
}

/** One request as a backend saw its head. */
export interface BackendLine {
  id: string
  method: string
  upstream: string
  instance: string
  atMs: number
}

/**
 * From the answer to a drain or removal until the call that brings the instance back: nothing new
 * may reach it.
 */
export interface ClosedWindow {
  instance: string
  fromMs: number
  untilMs?: number
}

export interface Ledgers {
  client: ClientLine[]
  backends: BackendLine[]
  windows: ClosedWindow[]
  /** Below this the run proves nothing. */
  least: { requests: number; perSecond: number }
}

export interface LoadVerdict {
  requests: number
  posts: number
  perSecond: number
  lost: ClientLine[]
  misrouted: ClientLine[]
  afterDrain: BackendLine[]
  /** Ids of POSTs that more than one backend got. */
  duplicated: string[]
  /** Ids that one ledger has and the other should have. */
  disagreed: string[]
  /** Requests that more than one backend got, as a retry may make it. */
  repeated: number
  /** Why the run proves nothing; undefined when it was large enough. */
  tooSmall: string | undefined
}

/** Milliseconds of the machine's monotonic clock, which all processes share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}

export function printClientLine(line: ClientLine): string {
  const { id, method, asked, status, upstream, instance, echoedId } = line
  const times = [line.startMs.toFixed(3), line.endMs.toFixed(3)]
  const intact = line.intact ? '1' : '0'
  const rest = [intact, ...times, line.error, line.shown]
  return [id, method, asked, status, upstream, instance, echoedId, ...rest]
    .map((field) => String(field).replaceAll(/[\t\n]/g, ' '))
    .join('\t')
}

export function readClientLedger(file: string): ClientLine[] {
  return linesOf(file).map((fields) => {
    const [id = '', method = '', asked = '', status, upstream = '', instance = ''] = fields
    const [echoedId = '', intact, startMs, endMs, error = '', shown = ''] = fields.slice(6)
    const numbers = { status: Number(status), startMs: Number(startMs), endMs: Number(endMs) }
    return {
      id,
      method,
      asked,
      upstream,
      instance,
      echoedId,
      intact: intact === '1',
      error,
      shown,
      ...numbers,
    }
  })
}

/** Written at once and by one call, so that what a backend got is known even when it is killed. */
export function appendBackendLine(file: string | number, line: BackendLine): void {
  const { id, method, upstream, instance, atMs } = line
  appendFileSync(file, `${[id, method, upstream, instance, atMs.toFixed(3)].join('\t')}\n`)
}

export function readBackendLedger(file: string): BackendLine[] {
  return linesOf(file).map(([id = '', method = '', upstream = '', instance = '', atMs]) => {
    return { id, method, upstream, instance, atMs: Number(atMs) }
  })
}

function linesOf(file: string): string[][] {
  if (!existsSync(file)) {
    return []
  }
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => line.split('\t'))
}

export function judge(ledgers: Ledgers): LoadVerdict {
  const { client, least } = ledgers
  const received = groupBy(ledgers.backends, ({ id }) => id)
  const posts = client.filter((line) => line.method === 'POST')
  const perSecond = Math.round(client.length / spanSeconds(client))
  return {
    requests: client.length,
    posts: posts.length,
    perSecond,
    lost: client.filter((line) => line.status < 200 || line.status > 299),
    misrouted: client.filter(isMisrouted),
    afterDrain: afterDrain(ledgers),
    duplicated: posts.filter(({ id }) => (received.get(id)?.length ?? 0) > 1).map(({ id }) => id),
    disagreed: disagreed(client, received),
    repeated: [...received.values()].filter((lines) => lines.length > 1).length,
    tooSmall: tooSmall(client.length, perSecond, least),
  }
}

/** `12,345 requests (1,801 POST), 2,031/s: 0 lost, 0 misrouted, …` */
export function printLoadVerdict(verdict: LoadVerdict): string {
  const { requests, posts, perSecond, lost, misrouted, afterDrain, duplicated } = verdict
  return (
    `${requests} requests (${posts} POST), ${perSecond}/s: ${lost.length} lost, ` +
    `${misrouted.length} misrouted, ${afterDrain.length} after drain, ` +
    `${duplicated.length} duplicated, ${verdict.disagreed.length} disagreed, ${verdict.repeated} retried`
  )
}

function groupBy<T>(items: T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group === undefined) {
      groups.set(keyOf(item), [item])
    } else {
      group.push(item)
    }
  }
  return groups
}

function spanSeconds(client: ClientLine[]): number {
  const first = client.reduce((least, { startMs }) => Math.min(least, startMs), Infinity)
  const last = client.reduce((most, { endMs }) => Math.max(most, endMs), 0)
  return Math.max(last - first, 1) / 1000
}

function isMisrouted(line: ClientLine): boolean {
  if (line.status < 200 || line.status > 299) {
    return false
  }
  return line.upstream !== line.asked || line.echoedId !== line.id || !line.intact
}

function afterDrain({ client, backends, windows }: Ledgers): BackendLine[] {
  const startMs = new Map(client.map((line) => [line.id, line.startMs]))
  const closed = groupBy(windows, ({ instance }) => instance)
  return backends.filter((line) => {
    const start = startMs.get(line.id)
    // Received before the call that reopens: a later one may be right, however early the client
    // began it.
    return closed.get(line.instance)?.some(({ fromMs, untilMs = Infinity }) => {
      return start !== undefined && start > fromMs && line.atMs < untilMs
    })
  })
}

/** Who answered must have got it, and what a backend got must have been sent. */
function disagreed(client: ClientLine[], received: Map<string, BackendLine[]>): string[] {
  const sent = new Set(client.map(({ id }) => id))
  const unheard = client.filter(({ id, status, instance }) => {
    if (status < 200 || status > 299) {
      return false
    }
    return received.get(id)?.some((line) => line.instance === instance) !== true
  })
  return [...unheard.map(({ id }) => id), ...[...received.keys()].filter((id) => !sent.has(id))]
}

function tooSmall(
  requests: number,
  perSecond: number,
  least: Ledgers['least'],
): string | undefined {
  if (requests < least.requests) {
    return `only ${requests} requests, fewer than ${least.requests}: the run proves nothing`
  }
  return perSecond < least.perSecond
    ? `only ${perSecond} requests/s, fewer than ${least.perSecond}: the run proves nothing`
    : undefined
}
