/** One raw stream of changes of etcd. */
import type { IWatchCreateRequest, IWatchResponse } from 'etcd3'
import type { EtcdLink } from './connection.js'

export interface EtcdStreamOptions {
  link: EtcdLink
  create: IWatchCreateRequest
  /** Ends it quietly. */
  signal: AbortSignal
  /**
   * Called with each response, in order. True: this stream is of no more use. What it throws ends
   * the stream, too.
   */
  onResponse: (response: IWatchResponse) => boolean
}

/** Etcd answers a watch request at once; when it does not, the stream is dead. */
const CREATED_WITHIN_MS = 5000

/**
 * One raw watch stream. Resolves when `onResponse` wants no more, `signal` aborts or the link ends;
 * rejects when the stream fails. Nothing is delivered after that.
 */
export async function followStream(options: EtcdStreamOptions): Promise<void> {
  const { link, create, signal } = options
  const stream = await link.client.watchClient.watch()
  const endings = [signal, link.ended]
  let over: () => void = () => undefined
  try {
    await new Promise<void>((resolve, reject) => {
      over = resolve
      for (const ending of endings) {
        ending.addEventListener('abort', over)
      }
      if (endings.some(({ aborted }) => aborted)) {
        resolve()
      }
      read(stream, options, resolve, reject)
      stream.write({ create_request: create })
    })
  } finally {
    for (const ending of endings) {
      ending.removeEventListener('abort', over)
    }
    // Ended first: etcd3 takes a cancel of a writable stream for a failure of the host.
    stream.end()
    stream.cancel()
  }
}

type Stream = Awaited<ReturnType<EtcdLink['client']['watchClient']['watch']>>

function read(
  stream: Stream,
  { link, signal, onResponse }: EtcdStreamOptions,
  resolve: () => void,
  reject: (error: unknown) => void,
): void {
  let over = false
  const end = (settle: () => void) => {
    over = true
    clearTimeout(timer)
    settle()
  }
  const fail = (error: unknown) => end(() => reject(error))
  const silent = () => fail(new Error('etcd does not answer the watch request'))
  const timer = setTimeout(silent, CREATED_WITHIN_MS)
  stream.on('error', fail)
  stream.on('end', () => fail(new Error('etcd ended the watch')))
  stream.on('data', (response) => {
    clearTimeout(timer)
    // What still comes after the end belongs to nobody: the next stream delivers it again.
    if (over || signal.aborted || link.ended.aborted) {
      return
    }
    try {
      if (onResponse(response)) {
        end(resolve)
      }
    } catch (error) {
      fail(error)
    }
  })
}
