/** Reads a gateway's table over its admin socket. */
import { join } from 'node:path'
import { Agent, request } from 'undici'
import type { GatewayState, ReadReply } from '../../contract/push.js'
import { Width, parsePeer } from '../../contract/table/table.js'
import type { PeerLine } from '../../contract/table/table.js'
import { MOST_OPERATIONS } from '../../contract/table/limits.js'

/** Reads what a gateway's table really holds, through its admin socket. */
export class TableReader {
  readonly #dispatcher: Agent

  constructor(home: string) {
    this.#dispatcher = new Agent({ connect: { socketPath: join(home, 'run/admin.sock') } })
  }

  async state(): Promise<GatewayState> {
    return (await this.#ask('GET', '/state')) as GatewayState
  }

  /** All peers of each upstream, by their id. */
  async peers(upstreams: string[]): Promise<Map<string, Map<string, PeerLine>>> {
    const records = await this.#read(upstreams.map((upstream) => `:${upstream}`))
    const buckets = upstreams.map((_, index) => {
      return Number((records[index] ?? '').slice(Width.Digest))
    })
    const keys = upstreams.flatMap((upstream, index) =>
      Array.from({ length: buckets[index] ?? 0 }, (_, bucket) => `:${upstream}#${bucket}`),
    )
    const values = await this.#read(keys)
    const found = new Map(upstreams.map((upstream) => [upstream, new Map<string, PeerLine>()]))
    for (const [index, key] of keys.entries()) {
      const peers = found.get(key.slice(1, key.indexOf('#')))
      for (const line of (values[index] ?? '').split('\n').filter((text) => text !== '')) {
        const peer = parsePeer(line)
        peers?.set(peer.id, peer)
      }
    }
    return found
  }

  async close(): Promise<void> {
    await this.#dispatcher.close()
  }

  async #read(keys: string[]): Promise<(string | null)[]> {
    const values: (string | null)[] = []
    for (let from = 0; from < keys.length; from += MOST_OPERATIONS) {
      const part = keys.slice(from, from + MOST_OPERATIONS)
      const reply = (await this.#ask('POST', '/read', { keys: part })) as ReadReply
      values.push(...reply.values)
    }
    return values
  }

  async #ask(method: 'GET' | 'POST', path: string, body?: unknown): Promise<unknown> {
    const answer = await request(`http://localhost${path}`, {
      method,
      dispatcher: this.#dispatcher,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    })
    if (answer.statusCode !== 200) {
      throw new Error(`${path}: ${await answer.body.text()}`)
    }
    return answer.body.json()
  }
}
