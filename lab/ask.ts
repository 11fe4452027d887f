// One HTTP request, by default on a connection of its own.
import { request as httpRequest, type Agent, type IncomingHttpHeaders } from 'node:http'

export interface Question {
  port?: number
  socketPath?: string
  method?: string
  path?: string
  host?: string
  headers?: Record<string, string>
  body?: string | Buffer
  /** Sent in chunks of this size, without a Content-Length, each when the one before has gone. */
  chunkBytes?: number
  /** Keeps connections; without it each request has its own. */
  agent?: Agent
  /** Aborts the request. */
  signal?: AbortSignal
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
  /** The body, if it is JSON. */
  json: unknown
}

export function ask(question: Question): Promise<Answer> {
  const { port, socketPath, method = 'GET', path = '/', host, body, chunkBytes, signal } = question
  const chunked = chunkBytes !== undefined
  const length = body !== undefined &&
    !chunked && { 'content-length': String(Buffer.byteLength(body)) }
  const headers = { ...(host !== undefined && { host }), ...length, ...question.headers }
  const target = socketPath === undefined ? { host: '127.0.0.1', port } : { socketPath }
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { ...target, method, path, headers, agent: question.agent ?? false, signal },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          const { statusCode = 0, headers } = response
          resolve({ status: statusCode, headers, body: text, json: jsonOf(text) })
        })
      },
    )
    request.on('error', reject)
    request.on('upgrade', ({ statusCode = 0, headers }, socket) => {
      socket.destroy()
      resolve({ status: statusCode, headers, body: '', json: undefined })
    })
    if (!chunked) {
      request.end(body)
      return
    }
    const all = Buffer.from(body ?? '')
    const step = (at: number): void => {
      if (at >= all.length) {
        request.end()
      } else {
        request.write(all.subarray(at, at + chunkBytes), () => step(at + chunkBytes))
      }
    }
    step(0)
  })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
