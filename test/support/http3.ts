/**
 * An HTTP/3 client: curl, a process for each request, so each has a connection and a full handshake
 * of its own.
 */
import { spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { tools } from '../../lab/tools.js'

export interface Question3 {
  port: number
  /** The name that is asked for, in TLS and as the authority. */
  name: string
  path?: string
  method?: string
  body?: Buffer | string
  /** Whether the body comes without a length before it. */
  streamed?: boolean
  headers?: Record<string, string>
  /** PEM file of whom to trust; without it anybody is. */
  ca?: string
  /** `3`: HTTP/3 or nothing; `any`: TCP where that fails; `2`: HTTP/2. */
  version?: '3' | 'any' | '2'
  /** More of curl's own, such as a further URL. */
  more?: string[]
}

export interface Answer3 {
  /** curl's: 0 where there was an answer. */
  code: number
  /** What curl says is wrong. */
  error: string
  /** `3`, `2`, `1.1`, or `` where nothing was answered. */
  version: string
  status: number
  /** Each line, name in lower case. */
  headers: Array<[name: string, value: string]>
  body: string
  /** SHA-256 of the certificate that was shown; '' for none. */
  fingerprint: string
}

const SECONDS = '20'
/** A worker that is on its way out may never answer. */
const CONNECT_SECONDS = '8'
const FLAGS = { '3': '--http3-only', any: '--http3', '2': '--http2' }

function argumentsOf({ port, name, path = '/', ...question }: Question3): string[] {
  const { method, body, streamed = false, headers = {}, ca, version = '3' } = question
  return [
    ...[
      '--silent',
      '--show-error',
      '--include',
      '--max-time',
      SECONDS,
      '--connect-timeout',
      CONNECT_SECONDS,
      FLAGS[version],
    ],
    ...(ca === undefined ? ['--insecure'] : ['--cacert', ca]),
    ...(method === undefined ? [] : ['--request', method]),
    // By `-T -` curl sends what it reads as it comes.
    ...(body === undefined ? [] : streamed ? ['--upload-file', '-'] : ['--data-binary', '@-']),
    ...Object.entries(headers).flatMap(([key, value]) => ['--header', `${key}: ${value}`]),
    ...['--resolve', `${name}:${port}:127.0.0.1`, '--write-out', '%{stderr}%{certs}'],
    ...(question.more ?? []),
    `https://${name}:${port}${path}`,
  ]
}

function parse(output: string): Pick<Answer3, 'version' | 'status' | 'headers' | 'body'> {
  const end = output.indexOf('\r\n\r\n')
  const [first = '', ...lines] = output.slice(0, Math.max(end, 0)).split('\r\n')
  const [, version = '', status = '0'] = /^HTTP\/(\S+) (\d+)/.exec(first) ?? []
  const headers = lines.map((line): [string, string] => {
    const at = line.indexOf(':')
    return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()]
  })
  return { version, status: Number(status), headers, body: output.slice(end + 4) }
}

/** One request; it never rejects because of what the server did. */
export async function ask3(question: Question3): Promise<Answer3> {
  const { curl } = await tools()
  const child = spawn(curl, argumentsOf(question), { stdio: ['pipe', 'pipe', 'pipe'] })
  let [output, said] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (said += chunk))
  child.stdin.on('error', () => undefined)
  child.stdin.end(question.body ?? '')
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? -1))
  })
  const pem = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/s.exec(said)?.[0]
  const fingerprint = pem === undefined ? '' : new X509Certificate(pem).fingerprint256
  const error = code === 0 ? '' : said.split('\n').find((line) => line.startsWith('curl:'))
  return { code, error: error ?? '', ...parse(output), fingerprint }
}

/** What a header says, each time that it does. */
export function valuesOf({ headers }: Answer3, name: string): string[] {
  return headers.filter(([key]) => key === name).map(([, value]) => value)
}
