/** A host's routes → its unit of the table (contract/table/host-record.ts). Pure. */
import {
  MOST_CHUNKS,
  INLINE_BYTES,
  chunkKey,
  depthOf,
  prefixHash,
} from '../../contract/table/host-record.js'
import { makeUnit } from './unit.js'
import type { Unit } from './unit.js'
import type { HostRoute } from './host-plan.js'
import type { Layout } from './slots.js'

/** A chunk is read whole for one line of it. */
const CHUNK_BYTES = 1024

interface Line {
  text: string
  hash: number
}

function lineOf({ prefix, conditions, target }: HostRoute): Line {
  const text = `${prefix} ${target}${conditions === '' ? '' : `\t${conditions}`}`
  return { text, hash: prefixHash(prefix) }
}

/** Of each hash modulo `parts`. */
function bytesBy(lines: Line[], parts: number): number[] {
  const sums = new Map<number, number>()
  for (const { text, hash } of lines) {
    sums.set(hash % parts, (sums.get(hash % parts) ?? 0) + text.length + 1)
  }
  return [...sums.values()]
}

function largest(sizes: number[]): number {
  return sizes.reduce((most, size) => Math.max(most, size), 0)
}

/**
 * A power of two: as few chunks as keep each one small. Lines of one prefix stay together, even
 * where they alone are more.
 */
function chunkCount(lines: Line[]): number {
  const room = CHUNK_BYTES + largest(bytesBy(lines, MOST_CHUNKS))
  let chunks = 1
  while (chunks < MOST_CHUNKS && largest(bytesBy(lines, chunks)) > room) {
    chunks *= 2
  }
  return chunks
}

function inChunks(host: string, lines: Line[]): Map<string, string> {
  const chunks = chunkCount(lines)
  const texts = Array.from({ length: chunks }, () => '\n')
  for (const { text, hash } of lines) {
    texts[hash % chunks] += `${text}\n`
  }
  return new Map(texts.map((text, i) => [chunkKey(host, chunks, i), text]))
}

/** `slots`: those of its one target, when it is to have its own. */
export function compileHost(host: string, routes: HostRoute[], slots: Layout): Unit {
  const name = `@${host}`
  const lines = routes.map(lineOf)
  const page = lines.map(({ text }) => text).join('\n')
  if (page.length <= INLINE_BYTES) {
    return makeUnit(name, page, new Map([...slots].map(([key, value]) => [name + key, value])))
  }
  const chunks = inChunks(name, lines)
  const depths = [...new Set(routes.map(({ prefix }) => depthOf(prefix)))].sort((a, b) => b - a)
  return makeUnit(name, `* ${chunks.size} ${depths.join(' ')}`, chunks)
}
