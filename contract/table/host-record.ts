/**
 * A host's routes as the table has them. Each is a line: `<path prefix> <unit>`, and after a tab
 * each condition that must hold (printConditions). Longest prefix first, and of one prefix those
 * with conditions first: the first line that fits serves.
 *
 * Up to {@link INLINE_BYTES} they all stand in the host's record, and are read in a row. More stand
 * in chunks, so that a request reads one for each length its path can be cut to. The record then
 * is `* <chunks> <depths>`, the numbers of segments that prefixes have, most first; and chunk n
 * of 16, `@app.example.com/#16/n`, holds the lines of all prefixes whose hash modulo 16 is n,
 * after a newline. A chunk is there even when it is empty, so one that another controller left
 * behind is never read.
 */

export const INLINE_BYTES = 512
/** More than any hash, so that then a chunk holds what has one hash. */
export const MOST_CHUNKS = 65536
/**
 * Where certificate authorities ask for what proves that a name is one's own (RFC 8555): any
 * host's routes below it come first.
 */
export const ACME_PREFIX = '/.well-known/acme-challenge'
/** Characters of a path prefix. */
export const MOST_PREFIX = 255

/** Whether a path, or a prefix of paths, is `prefix` or below it. */
export function isWithin(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`)
}

const HASHES = 65521

/** The hash of a prefix that ends where `code` comes next; `/` alone has 0. */
export function nextHash(hash: number, code: number): number {
  return (hash * 31 + code) % HASHES
}

/** Of all characters after the first slash. */
export function prefixHash(prefix: string): number {
  let hash = 0
  for (let i = 1; i < prefix.length; i++) {
    hash = nextHash(hash, prefix.charCodeAt(i))
  }
  return hash
}

/** Segments: `/` has none, `/api/v2` two. */
export function depthOf(prefix: string): number {
  return prefix === '/' ? 0 : prefix.split('/').length - 1
}

export function chunkKey(unit: string, chunks: number, hash: number): string {
  return unit + '/#' + chunks + '/' + (hash % chunks)
}

/**
 * How many chunks a host's record (without its digest) names; 0 when the lines stand in
 * itself.
 */
export function chunksIn(record: string): number {
  const parts = record.split(' ', 2)
  return parts[0] === '*' ? Number(parts[1]) : 0
}
