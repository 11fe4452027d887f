/** Backends at every address, and who of them answered. */
import { Connection } from '../../lab/load/connection.js'
import type { Target } from '../../lab/load/connection.js'
import { PlainNginx } from './plain-nginx.js'
import type { NginxInfo } from '../../setup/nginx.js'
import type { Bench } from '../report/report.js'

/** A backend at every address of 127.0.0.0/8 at once, which says at which of them it was asked. */
export async function startEveryAddress(
  bench: Bench,
  nginx: NginxInfo,
  port: number,
): Promise<void> {
  const configuration = `server { listen ${port} backlog=4096; location / { return 200 "$server_addr\\n"; } }`
  const folder = `${bench.folder}/every-address`
  const main = 'worker_processes 1;'
  const started = await PlainNginx.start({ nginx, folder, main, configuration, port })
  bench.onEnd(() => started.stop())
}

/**
 * The addresses that answered `requests` requests to `host`, in the order of the answers. Any
 * answer but 200 fails it.
 */
export async function whoAnswered(
  target: Target,
  options: { host: string; requests: number; connections: number },
): Promise<string[]> {
  const { host, requests, connections } = options
  const head = `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`
  const answered: string[] = []
  let left = requests
  const ask = async (): Promise<void> => {
    const connection = new Connection(target)
    try {
      while (left-- > 0) {
        const { status, body } = await connection.request(head)
        if (status !== 200) {
          throw new Error(`${status}: ${body}`)
        }
        answered.push(body.trim())
      }
    } finally {
      connection.close()
    }
  }
  await Promise.all(Array.from({ length: connections }, ask))
  return answered
}

export function countOf(answered: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const who of answered) {
    counts.set(who, (counts.get(who) ?? 0) + 1)
  }
  return counts
}
