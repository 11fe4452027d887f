/**
 * One HTTP call, byte for byte as the test wants it: any Host, any header, over TCP or a unix
 * socket.
 */
import { request } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'

export interface CallOptions {
  method?: string
  headers?: Record<string, string>
  /** Sent as JSON; a string is sent as it is. */
  body?: unknown
  /** Path of a unix socket in place of the URL's host. */
  socket?: string
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what came is what the tests are about
export type Json = any

export interface Called {
  status: number
  headers: IncomingHttpHeaders
  /** The parsed body, or the text where it is no JSON. */
  body: Json
}

export function httpCall(url: string, options: CallOptions = {}): Promise<Called> {
  const { method = 'GET', body, socket } = options
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  const headers: Record<string, string> = { ...options.headers }
  if (text !== undefined) {
    headers['content-type'] ??= 'application/json'
    headers['content-length'] = String(Buffer.byteLength(text))
  }
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method, headers, agent: false, ...(socket !== undefined && { socketPath: socket }) },
      (answer) => {
        let received = ''
        answer.setEncoding('utf8').on('data', (chunk: string) => (received += chunk))
        answer.on('error', reject)
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            body: parsed(received),
          }),
        )
      },
    )
    sent.on('error', reject)
    sent.end(text)
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
