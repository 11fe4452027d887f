// A gRPC server that says who it is, and a client of it. Messages are plain bytes: nothing here is
// about their encoding.
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import * as grpc from '@grpc/grpc-js'
import type { Pem } from '../engines/certificates.js'

const same = (message: Buffer): Buffer => message

function method(name: string, requestStream: boolean, responseStream: boolean) {
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    ...{ requestSerialize: same, requestDeserialize: same },
    ...{ responseSerialize: same, responseDeserialize: same },
  }
}

/**
 * `Say` answers `<id>: <message>`, its length alone if that is long; fails with status n for
 * `status n`; says nothing for `wait`. `Collect` answers how many messages there were, and their
 * bytes: `<id>: 3 30`. `Words` answers each of the message's words by itself. `Chat` answers each
 * message as it comes.
 */
const ECHO = {
  Say: method('Say', false, false),
  Collect: method('Collect', true, false),
  Words: method('Words', false, true),
  Chat: method('Chat', true, true),
}

export type Name = keyof typeof ECHO

export interface GrpcBackend {
  id: string
  host: string
  port: number
  address: string
  /** Calls that came. */
  calls: Array<{
    path: string
    authority: string
    metadata: Record<string, unknown>
    /** Serial number of the certificate that the client showed. */
    shown: string | undefined
    /** The address of the client's end of the connection. */
    peer: string
  }>
  /** Calls that were cancelled before they were answered. */
  cancelled: () => number
  stop: () => void
}

interface TestLike {
  teardown(fn: () => unknown): void
}

function sayOf(id: string, text: string, end: grpc.Metadata, answer: grpc.sendUnaryData<Buffer>) {
  const code = /^status (\d+)$/.exec(text)?.[1]
  if (code !== undefined) {
    answer({ code: Number(code), details: 'as you said', metadata: end })
  } else if (text !== 'wait') {
    answer(null, Buffer.from(`${id}: ${text.length > 99 ? text.length : text}`), end)
  }
}

function credentialsOf(pem?: Pem & { clientCa?: string }): grpc.ServerCredentials {
  if (pem === undefined) {
    return grpc.ServerCredentials.createInsecure()
  }
  const { certificate, privateKey, clientCa } = pem
  const pair = { cert_chain: Buffer.from(certificate), private_key: Buffer.from(privateKey) }
  return clientCa === undefined
    ? grpc.ServerCredentials.createSsl(null, [pair])
    : grpc.ServerCredentials.createSsl(Buffer.from(clientCa), [pair], true)
}

/**
 * Over TLS with `pem`; with `clientCa` only for who shows a certificate by that authority. Every
 * answer has `served-by` before it, with the `x-echo` of its call, and `served-at-end` behind it.
 */
export async function startGrpcBackend(
  t: TestLike,
  id: string,
  pem?: Pem & { clientCa?: string },
): Promise<GrpcBackend> {
  const calls: GrpcBackend['calls'] = []
  let cancelled = 0
  const begin = new grpc.Metadata()
  begin.set('served-by', id)
  const end = new grpc.Metadata()
  end.set('served-at-end', id)
  const take = (call: grpc.ServerDuplexStream<Buffer, Buffer>): void => {
    const metadata = call.metadata.getMap()
    const shown = call.getAuthContext().sslPeerCertificate?.serialNumber
    const [path, authority, peer] = [call.getPath(), call.getHost(), call.getPeer()]
    calls.push({ path, authority, metadata, shown, peer })
    call.on('cancelled', () => (cancelled += 1))
    if ((call as { request?: Buffer }).request?.toString() !== 'wait') {
      const all = begin.clone()
      call.metadata.get('x-echo').forEach((value) => all.set('x-echo', value))
      call.sendMetadata(all)
    }
  }
  const server = new grpc.Server()
  server.addService(ECHO, {
    Say: (call: grpc.ServerUnaryCall<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>) => {
      take(call as never)
      sayOf(id, call.request.toString(), end, answer)
    },
    Collect: (
      call: grpc.ServerReadableStream<Buffer, Buffer>,
      answer: grpc.sendUnaryData<Buffer>,
    ) => {
      take(call as never)
      const sizes: number[] = []
      call.on('data', (message: Buffer) => sizes.push(message.length))
      const sum = () => sizes.reduce((all, size) => all + size, 0)
      call.on('end', () => answer(null, Buffer.from(`${id}: ${sizes.length} ${sum()}`), end))
    },
    Words: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      take(call as never)
      for (const word of call.request.toString().split(' ')) {
        call.write(Buffer.from(word))
      }
      call.end(end)
    },
    Chat: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      take(call)
      call.on('data', (message: Buffer) => call.write(message))
      call.on('end', () => call.end(end))
    },
  })
  const port = await promisify(server.bindAsync.bind(server))('127.0.0.1:0', credentialsOf(pem))
  const stop = (): void => server.forceShutdown()
  t.teardown(stop)
  const address = `127.0.0.1:${port}`
  return { id, host: '127.0.0.1', port, address, calls, cancelled: () => cancelled, stop }
}

/** How a call ended. */
export interface Called {
  /** 0 is success. */
  code: grpc.status
  details: string
  /** The messages of the answer. */
  texts: string[]
  /** Who served it, by what came before the answer and what came behind it. */
  begin: unknown
  end: unknown
}

export interface CallOptions {
  metadata?: Record<string, string>
  /** The client's own, after which it ends the call by itself. */
  deadlineMs?: number
  /** Time before each message. */
  pauseMs?: number
  /** Whether each message waits for the answer to the one before. */
  byTurns?: boolean
}

const DEADLINE_MS = 20_000

export class GrpcClient {
  readonly #client: grpc.Client

  /** Over TLS, whoever answers, unless `plain`. Tries nothing again by itself. */
  constructor(t: TestLike, port: number, host: string, { plain = false } = {}) {
    const whoever = { rejectUnauthorized: false, checkServerIdentity: () => undefined }
    const credentials = plain
      ? grpc.credentials.createInsecure()
      : grpc.credentials.createSsl(null, null, null, whoever)
    this.#client = new grpc.Client(`127.0.0.1:${port}`, credentials, {
      'grpc.default_authority': host,
      'grpc.enable_retries': 0,
      'grpc.use_local_subchannel_pool': 1,
    })
    t.teardown(() => this.#client.close())
  }

  /** A stream in both directions: on the wire any call is one. */
  open(name: Name, options: CallOptions = {}): grpc.ClientDuplexStream<Buffer, Buffer> {
    const metadata = new grpc.Metadata()
    for (const [key, value] of Object.entries(options.metadata ?? {})) {
      metadata.set(key, value)
    }
    const deadline = Date.now() + (options.deadlineMs ?? DEADLINE_MS)
    const { path } = ECHO[name]
    return this.#client.makeBidiStreamRequest(path, same, same, metadata, { deadline })
  }

  async call(name: Name, texts: string[], options: CallOptions = {}): Promise<Called> {
    const stream = this.open(name, options)
    const called: Called = { code: 0, details: '', texts: [], begin: undefined, end: undefined }
    stream.on('metadata', (metadata) => ([called.begin] = metadata.get('served-by')))
    stream.on('data', (message: Buffer) => called.texts.push(message.toString()))
    stream.on('error', () => undefined)
    const ended = new Promise<Called>((resolve) =>
      stream.on('status', ({ code, details, metadata }) => {
        resolve({ ...called, code, details, end: metadata.get('served-at-end')[0] })
      }),
    )
    const { pauseMs, byTurns = false } = options
    for (const text of texts) {
      if (pauseMs !== undefined) {
        await sleep(pauseMs)
      }
      stream.write(Buffer.from(text))
      if (byTurns) {
        await new Promise((resolve) => stream.once('data', resolve))
      }
    }
    if (pauseMs !== undefined) {
      await sleep(pauseMs)
    }
    stream.end()
    return ended
  }
}
