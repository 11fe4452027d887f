/**
 * How a path is matched where few hosts need it: by conditions, by lines in chunks, and when it can
 * be read in two ways.
 */
import { isLeavingPath } from '../../contract/guard/client-patterns.js'
import { MOST_PREFIX, chunkKey, nextHash } from '../../contract/table/host-record.js'
import { Width } from '../../contract/table/table.js'
import type { Dict } from '../memory/dict.js'
import type { LookupRequest } from './lookup-request.js'
import { unitIf } from './unit-if.lazy.js'

export interface HostMatch {
  unitIf: typeof unitIf
  leaves: typeof leaves
  matchChunks: typeof matchChunks
}

const SLASH = 47

/**
 * Whether the path as it was written leaves a prefix in a way that nginx and the application may
 * see differently, and applications are not to judge that themselves.
 */
function leaves(target: string, request: LookupRequest): boolean {
  return isLeavingPath(target) && request.variables.sluice_raw_paths !== '1'
}

/** Where the path ends if only its first segments count: 0, 1, … of them; and each part's hash. */
function cutsOf(path: string, most: number): Array<{ end: number; hash: number }> {
  const cuts = [{ end: 1, hash: 0 }]
  let hash = 0
  for (let i = 1; i <= path.length && i <= MOST_PREFIX && cuts.length <= most; i++) {
    const code = i < path.length ? path.charCodeAt(i) : SLASH
    if (code === SLASH) {
      cuts.push({ end: i, hash: hash })
    }
    hash = nextHash(hash, code)
  }
  return cuts
}

/** The unit of the first line that fits, where a host's lines stand in chunks; else ''. */
function matchChunks(
  table: Dict,
  host: string,
  record: string,
  request: LookupRequest,
  least: number,
): string {
  const path = request.uri
  const parts = record.slice(Width.Digest).split(' ')
  const cuts = cutsOf(path, Number(parts[2]))
  let unit = ''
  for (let i = 2; unit === '' && i < parts.length; i++) {
    const cut = cuts[Number(parts[i])]
    if (cut !== undefined && cut.end >= least) {
      const lines = table.get(chunkKey(host, Number(parts[1]), cut.hash)) || ''
      // No prefix has a space: what a client wrote before one would be the whole of a line.
      const prefix =
        path.indexOf(' ') >= 0 && path.indexOf(' ') < cut.end
          ? '\n '
          : '\n' + path.slice(0, cut.end) + ' '
      let at = lines.indexOf(prefix)
      while (unit === '' && at >= 0) {
        const end = lines.indexOf('\n', at + 1)
        unit = unitIf(lines.slice(at + prefix.length, end), request)
        at = lines.indexOf(prefix, end)
      }
    }
  }
  return unit
}

export function hostMatch(): HostMatch {
  return { unitIf: unitIf, leaves: leaves, matchChunks: matchChunks }
}
