/** The maps by which nginx finds the gate of a host and a path. Pure. */
import { plain, quotedWord, raw } from '../fallback/conf-writer.js'
import type { ConfWriter, Word } from '../fallback/conf-writer.js'
import { hostKey } from '../fallback/words.js'
import { gatePath } from './gate-conf.js'
import { OTHERS, SEGMENT, firstOf } from './gate-keys.js'
import { isWhole } from './lane.js'
import type { Gate, GatedHost } from './lane.js'

/**
 * The first segment of a path, where nothing in the path may mean another one: nothing encoded, no
 * empty segment, none that begins with a dot, no backslash, nothing that a server rewrote. `*` for
 * a segment that a map might take for another, and `!` for all other paths, which go by the table.
 */
const FIRST = `/(?= )|${SEGMENT}`
const OTHER = '/(?![/.])[^/ %\\x5c]*'
const REST = `(?:${OTHER})*`
/** The path as it was asked for, after the path as it is now. */
const AS_ASKED = ' (?P=sluice_path)(?:[?]|$)'

/** What nginx makes of a path: undefined for `!`. */
export function firstSegmentOf(path: string): string | undefined {
  const asked = path.replace(/[?].*$/s, ' ').replace(/ ?$/, ' ')
  const segment = new RegExp(`^(${FIRST})${REST} $`).exec(asked)?.[1]
  return segment ?? (new RegExp(`^${OTHER}${REST} $`).test(asked) ? '*' : undefined)
}

/**
 * The first two segments of such a path, `/api/*` where a map might take the second for another
 * one, and undefined where there is one alone.
 */
export function firstPairOf(path: string): string | undefined {
  const asked = path.replace(/[?].*$/s, '')
  const pair = new RegExp(`^${SEGMENT}${SEGMENT}(?=/|$)`).exec(asked)?.[0]
  const first = new RegExp(`^${SEGMENT}(?=/[^/])`).exec(asked)?.[0]
  return pair ?? (first && `${first}/${OTHERS}`)
}

function writePair(out: ConfWriter): void {
  out.block('map', [plain('$uri'), plain('$sluice_pair')], () => {
    out.entry(plain('default'), quotedWord(''))
    out.entry(raw(`~^(?<sluice_two>${SEGMENT}${SEGMENT})(?:/|$)`), plain('$sluice_two'))
    out.entry(raw(`~^(?<sluice_one>${SEGMENT})/[^/]`), { text: `"$sluice_one/${OTHERS}"` })
  })
}

function writeFirst(out: ConfWriter): void {
  out.block('map', [raw('$uri $request_uri'), plain('$sluice_first')], () => {
    out.entry(plain('default'), quotedWord('!'))
    const known = `(?<sluice_path>(?<sluice_segment>${FIRST})${REST})`
    out.entry(raw(`~^${known}${AS_ASKED}`), plain('$sluice_segment'))
    out.entry(raw(`~^(?<sluice_path>${OTHER}${REST})${AS_ASKED}`), quotedWord('*'))
  })
}

type FileOf = (gate: Gate | undefined) => Word

/** A host with one route is found by one look; one with paths needs its first segments, too. */
export function writeMaps(out: ConfWriter, hosts: readonly GatedHost[], home: string): void {
  const file: FileOf = (gate) => quotedWord(gate === undefined ? '' : gatePath(home, gate))
  const byPath = hosts.filter((host) => !isWhole(host)).map(byFirst)
  out.block('map', [plain('$host'), plain('$sluice_gate')], () => {
    out.entry(plain('default'), quotedWord(''))
    for (const host of hosts) {
      const whole = isWhole(host) ? file(host.byPrefix.get('/')) : plain('$sluice_gate_by_path')
      out.entry(hostKey(host.host), whole)
    }
  })
  if (byPath.length > 0) {
    writeFirst(out)
    writeFirsts(out, byPath, file)
  }
  if (byPath.some(({ below }) => below.size > 0)) {
    writePair(out)
    writePairs(out, byPath, file)
  }
}

interface HostByFirst extends GatedHost {
  firsts: ReadonlySet<string>
  /** Of `/api`: `/api/v2` and what else there is below. */
  below: ReadonlyMap<string, readonly string[]>
}

function byFirst({ host, byPrefix }: GatedHost): HostByFirst {
  const firsts = new Set<string>()
  const below = new Map<string, string[]>()
  for (const key of [...byPrefix.keys()].filter((each) => each !== '/')) {
    const first = firstOf(key)
    firsts.add(first)
    if (first !== key) {
      below.set(first, [...(below.get(first) ?? []), key])
    }
  }
  return { host, byPrefix, firsts, below }
}

function writeFirsts(out: ConfWriter, hosts: readonly HostByFirst[], file: FileOf): void {
  out.block('map', [plain('$host'), plain('$sluice_gate_of_rest')], () => {
    out.entry(plain('default'), quotedWord(''))
    hosts.forEach(({ host, byPrefix }) => out.entry(hostKey(host), file(byPrefix.get('/'))))
  })
  out.block('map', [raw('$host$sluice_first'), plain('$sluice_gate_by_path')], () => {
    out.entry(plain('default'), plain('$sluice_gate_of_rest'))
    for (const { host, byPrefix, firsts, below } of hosts) {
      out.entry(quotedWord(`${host}!`), quotedWord(''))
      for (const first of firsts) {
        const isParted = below.has(first)
        const gate = isParted ? plain('$sluice_gate_by_pair') : file(byPrefix.get(first))
        out.entry(quotedWord(`${host}${first}`), gate)
      }
    }
  })
}

/** Of first segments that lead to several places. */
function writePairs(out: ConfWriter, hosts: readonly HostByFirst[], file: FileOf): void {
  out.block('map', [raw('$host$sluice_first'), plain('$sluice_gate_of_first')], () => {
    out.entry(plain('default'), quotedWord(''))
    for (const { host, byPrefix, below } of hosts) {
      for (const first of below.keys()) {
        const gate = byPrefix.get(byPrefix.has(first) ? first : '/')
        out.entry(quotedWord(`${host}${first}`), file(gate))
      }
    }
  })
  out.block('map', [raw('$host$sluice_pair'), plain('$sluice_gate_by_pair')], () => {
    out.entry(plain('default'), plain('$sluice_gate_of_first'))
    for (const { host, byPrefix, below } of hosts) {
      for (const key of [...below.values()].flat()) {
        out.entry(quotedWord(`${host}${key}`), file(byPrefix.get(key)))
      }
    }
  })
}
