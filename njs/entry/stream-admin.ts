/**
 * The admin endpoint of stream{}: the calls of entry/admin.ts, for a table of its own. nginx speaks
 * no HTTP here, so this file does, as much as the controller needs: requests with a length, one
 * after the other.
 */
import { MOST_BODY_BYTES } from '../../contract/table/limits.js'
import { reject } from '../admin/answer.js'
import admin from './admin.js'

interface Head {
  /** Where the body begins. */
  start: number
  /** Bytes of the body. */
  length: number
  method: string
  /** `delta` */
  call: string
  args: { [name: string]: string }
  contentType: string | undefined
}

/**
 * Calls that have locations of their own in http{}; `admin.call` knows the others by their path.
 */
const OWN: { [call: string]: (r: NginxHTTPRequest) => void } = {
  delta: admin.delta,
  probe: admin.probe,
}
const MOST_HEAD_BYTES = 16384
/**
 * A connection ends with the first answer after this, so that a worker that is to end is not kept.
 * The controller connects anew.
 */
const MOST_AGE_MS = 10000

function parseArgs(query: string): { [name: string]: string } {
  const args: { [name: string]: string } = {}
  query.split('&').forEach((pair) => {
    const equals = pair.indexOf('=')
    if (equals > 0) {
      args[pair.slice(0, equals)] = pair.slice(equals + 1)
    }
  })
  return args
}

/**
 * The head of the request that `text` begins with; null while it is not all here. Throws when it
 * is none.
 */
function parseHead(text: string): Head | null {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0 && text.length < MOST_HEAD_BYTES) {
    return null
  }
  const head = text.slice(0, end)
  const line = /^([A-Z]{1,10}) \/([a-z]*)[^ ?]*\??(\S*) HTTP\/1\.1\r\n/.exec(head + '\r\n')
  const length = /\r\ncontent-length: *(\d{1,15})/i.exec(head)
  if (end < 0 || line === null || /\r\ntransfer-encoding:/i.test(head)) {
    throw new Error('no request of ours')
  }
  const type = /\r\ncontent-type: *([^\r]*)/i.exec(head)
  return {
    start: end + 4,
    length: length === null ? 0 : Number(length[1]),
    method: line[1] as string,
    call: line[2] as string,
    args: parseArgs(line[3] as string),
    contentType: type === null ? undefined : type[1],
  }
}

function print(status: number, body: string, isLast: boolean): string {
  const length = Buffer.from(body).length
  const connection = isLast ? 'close' : 'keep-alive'
  return (
    'HTTP/1.1 ' +
    status +
    ' -\r\nContent-Type: application/json\r\nContent-Length: ' +
    length +
    '\r\nConnection: ' +
    connection +
    '\r\n\r\n' +
    body
  )
}

/** What entry/admin.ts uses of a request. */
function requestOf(
  s: NginxStreamRequest,
  head: Head,
  text: string,
  answer: (status: number, body: string) => void,
): NginxHTTPRequest {
  const request = {
    method: head.method,
    uri: '/' + head.call,
    args: head.args,
    headersIn: { 'Content-Type': head.contentType },
    headersOut: {},
    requestText: text,
    variables: s.variables,
    return: answer,
  }
  return request as unknown as NginxHTTPRequest
}

function answerOne(s: NginxStreamRequest, head: Head, body: string, isLast: boolean): void {
  const answer = (status: number, text: string): void => {
    s.sendDownstream(print(status, text, isLast), {})
  }
  if (head.length > MOST_BODY_BYTES) {
    const refused = reject('too_large', 'the body is too large', {})
    answer(refused.status, refused.body)
    return
  }
  const request = requestOf(s, head, body, answer)
  const own = OWN[head.call]
  if (own === undefined) {
    admin.call(request)
  } else {
    own(request)
  }
}

/** Reads the bytes of a connection as they come, and answers. None of them is passed on. */
function serve(s: NginxStreamRequest): void {
  const sinceMs = Date.now()
  let received: Buffer[] = []
  let size = 0
  let head: Head | null = null
  s.on('upstream', (data) => {
    received.push(data)
    size += data.length
    // Parts of a large body are put together once, when all of them are here.
    if (head !== null && size < head.start + head.length) {
      return
    }
    const bytes = Buffer.concat(received)
    received = [bytes]
    head = head === null ? parseHead(bytes.toString()) : head
    if (head === null || (size < head.start + head.length && head.length <= MOST_BODY_BYTES)) {
      return
    }
    const body = bytes.slice(head.start, head.start + head.length).toString()
    answerOne(s, head, body, Date.now() - sinceMs > MOST_AGE_MS)
    received = [bytes.slice(head.start + head.length)]
    size = (received[0] as Buffer).length
    head = null
  })
}

export default { serve }
