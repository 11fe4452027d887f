/** A table of 100,000 instances. */
import { sidOf } from '../../controller/state/sid.js'
import { monotonicMs } from '../../lab/load/ledger.js'
import type { BatchOperation, Rig } from '../../lab/load/rig.js'
import { sized } from './sized.js'

export const LARGE = sized(100_000, 20)
const PER_UPSTREAM = 100
const BATCH = 1000

/**
 * The two upstreams that are really asked, by where their instances stand among all in the
 * pool's order.
 */
export const ASKED = ['first', 'last'] as const
export const ASKED_EACH = 5
export const ASKED_INSTANCES = ASKED.length * ASKED_EACH

/**
 * The pool takes its members by SID, the md5 of their address, lowest first, and no more than a
 * thousand: of a full table `first` is in it for sure and `last` is not.
 */
export function askedHosts(port: number): Record<(typeof ASKED)[number], string[]> {
  const hosts = Array.from({ length: 60_000 }, (_, n) => `127.8.${n >> 8}.${n & 255 || 1}`)
  const sorted = [...new Set(hosts)].map((host) => ({ host, sid: sidOf(host, port) }))
  sorted.sort((a, b) => (a.sid < b.sid ? -1 : 1))
  const names = sorted.map(({ host }) => host)
  return { first: names.slice(0, ASKED_EACH), last: names.slice(-ASKED_EACH) }
}

export function askedOperations(port: number): BatchOperation[] {
  const hosts = askedHosts(port)
  return ASKED.flatMap((upstream) =>
    hosts[upstream].map((host, index) => ({
      method: 'PUT',
      path: `/v1/upstreams/${upstream}/instances/i${index}`,
      body: { host, port },
    })),
  )
}

function fillerOperations(from: number, to: number): BatchOperation[] {
  return Array.from({ length: to - from }, (_, offset) => {
    const index = from + offset
    const [third, fourth] = [Math.floor(index / 250) % 250, (index % 250) + 1]
    const host = `127.${100 + Math.floor(index / 62_500)}.${third}.${fourth}`
    const path = `/v1/upstreams/up${Math.floor(index / PER_UPSTREAM)}/instances/i${index}`
    return { method: 'PUT', path, body: { host, port: 8000 } }
  })
}

/**
 * Brings a rig to 100,000 instances by batches; the time of each in milliseconds.
 *
 * @param apply resolves when the gateway has a batch
 */
export async function fill(
  rig: Rig,
  say: (line: string) => void,
  apply = (operations: BatchOperation[]) => rig.batch(operations),
): Promise<number[]> {
  const times: number[] = []
  for (let from = ASKED_INSTANCES; from < LARGE; from += BATCH) {
    const operations = fillerOperations(from, Math.min(from + BATCH, LARGE))
    const startMs = monotonicMs()
    await apply(operations)
    times.push(monotonicMs() - startMs)
    if (times.length % 25 === 0) {
      say(`${times.length * BATCH} instances`)
    }
  }
  return times
}
