/** A load of requests, run by a process of its own. */
import { join } from 'node:path'
import { readClientLedger } from './ledger.js'
import type { ClientLine } from './ledger.js'
import { Child } from './child.js'
import type { Target } from './connection.js'

export interface LoadOptions {
  target: Target
  /**
   * `kept`: each worker has one connection for all its requests; `each`: one for each; `tls`: so,
   * and over TLS by the name of the host.
   */
  connections: 'kept' | 'each' | 'tls'
  /** Each request asks for one of them, drawn evenly, by `Host: <upstream>.<domain>`. */
  upstreams: string[]
  domain: string
  /** Connections; each sends its next request when it has the answer to the last. */
  workers: number
  /** Pause between an answer and the next request, on average. */
  thinkMs: number
  seed: number
  /** Parts of all requests, from 0 to 1: POSTs of a few bytes, and POSTs of 300 KB. */
  postPart: number
  largePart: number
  /** Part of all requests that the backend is asked to take its time for, `slowMs` at most. */
  slowPart: number
  slowMs: number
  /** File that gets a line for each request. */
  ledger: string
}

export interface LoadReport {
  requests: number
  /** Connections opened. */
  opened: number
  /** Connections that were closed under the client while it had no request out. */
  closedIdle: number
}

export interface Load {
  /** What has been answered so far. */
  count(): Promise<LoadReport>
  /** Lets what is out finish, then ends the process. */
  stop(): Promise<{ lines: ClientLine[]; report: LoadReport }>
  kill(): Promise<void>
}

const DEFAULTS = {
  connections: 'kept' as const,
  domain: 'localhost',
  workers: 12,
  thinkMs: 1,
  postPart: 0.1,
  largePart: 0.03,
  slowPart: 0.05,
  slowMs: 100,
}

/** Starts a load in a process of its own. `folder` gets its ledger. */
export function startLoad(
  folder: string,
  options: Pick<LoadOptions, 'target' | 'upstreams' | 'seed'> & Partial<LoadOptions>,
): Load {
  const ledger = join(folder, `client-${options.seed}.ledger`)
  const all: LoadOptions = { ...DEFAULTS, ledger, ...options }
  const child = new Child('load-process.ts', [JSON.stringify(all)])
  return {
    count: async () => (await child.ask('count')) as LoadReport,
    stop: async () => {
      const report = (await child.ask('stop')) as LoadReport
      await child.kill()
      return { lines: readClientLedger(all.ledger), report }
    },
    kill: () => child.kill(),
  }
}
