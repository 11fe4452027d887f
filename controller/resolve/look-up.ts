/** A name and a type → what DNS has of them, by the servers of this machine. */
import { messageOf } from '../../runtime/errors.js'
import { askServer } from './ask-server.js'
import type { DnsReply, RecordType } from './ask-server.js'
import { candidates } from './resolvers.js'
import type { Resolvers } from './resolvers.js'

/** A or AAAA: `value` is the address; SRV: it is the target. */
export interface DnsRecord {
  value: string
  port?: number
  priority?: number
  weight?: number
}

/** `failed` says nothing of the name; `empty` that it has no such records. */
export type Answer =
  | { kind: 'good'; records: DnsRecord[]; ttlMs: number }
  | { kind: 'empty' | 'failed'; reason: string }

export const LEAST_TTL_MS = 1000
const MOST_TTL_MS = 300_000
const TIMEOUT_MS = 2000
/** What is asked of each server. */
const TRIES = 2
const MOST_RECORDS = 256

/** Never rejects: a failure is an answer, too. */
export async function lookUp(
  name: string,
  type: RecordType,
  resolvers: Resolvers,
): Promise<Answer> {
  let last: Answer = { kind: 'empty', reason: 'there is no such name (NXDOMAIN)' }
  for (const candidate of candidates(name, resolvers)) {
    last = await askAll(candidate, type, resolvers)
    if (last.kind !== 'empty') {
      return last
    }
  }
  return last
}

/** One server after the other, until one answers for the name. */
async function askAll(name: string, type: RecordType, { servers }: Resolvers): Promise<Answer> {
  let reason = ''
  for (let round = 0; round < TRIES; round++) {
    for (const server of servers) {
      const where = `${server.host}:${server.port}`
      try {
        const reply = await askServer(server, name, type, TIMEOUT_MS)
        if (reply.rcode === 'NOERROR' || reply.rcode === 'NXDOMAIN') {
          return readAnswer(reply, name, type)
        }
        reason = `${where} answered ${reply.rcode}`
      } catch (error) {
        reason = `${where}: ${messageOf(error)}`
      }
    }
  }
  return { kind: 'failed', reason }
}

/** The records of the name, or of the name that it is an alias of. */
function readAnswer(reply: DnsReply, name: string, type: RecordType): Answer {
  if (reply.rcode === 'NXDOMAIN') {
    return { kind: 'empty', reason: 'there is no such name (NXDOMAIN)' }
  }
  const names = new Set([name.toLowerCase()])
  const records: DnsRecord[] = []
  let ttlS = MOST_TTL_MS / 1000
  // Servers answer aliases before what they lead to.
  for (const one of reply.answers ?? []) {
    if (!names.has(one.name.toLowerCase()) || (one.type !== 'CNAME' && one.type !== type)) {
      continue
    }
    ttlS = Math.min(ttlS, 'ttl' in one ? (one.ttl ?? 0) : 0)
    if (one.type === 'CNAME') {
      names.add(one.data.toLowerCase())
    } else if (one.type === 'A' || one.type === 'AAAA') {
      records.push({ value: one.data })
    } else if (one.type === 'SRV' && one.data.target !== '' && one.data.target !== '.') {
      const { target, port, priority = 0, weight = 0 } = one.data
      records.push({ value: target.toLowerCase(), port, priority, weight })
    }
  }
  const ttlMs = Math.max(LEAST_TTL_MS, ttlS * 1000)
  return records.length === 0
    ? { kind: 'empty', reason: `the name has no ${type} records` }
    : { kind: 'good', records: records.slice(0, MOST_RECORDS), ttlMs }
}
