/**
 * Lanes and gates → nginx configuration, four files that are written and read together:
 *
 * - `http.conf`: an `upstream{}` for each lane, and the map of a request's host (and first
 *   segments) to the path of its gate's file;
 * - `location.conf`: a request whose gate is open leaves the table's location;
 * - `proxy.conf`: the same in a location of the user's, which names the upstream itself. Its own
 *   directives hold there, so the request stays in it;
 * - `server.conf`: a location for each gate, named by its file.
 *
 * A gate that is not there costs a request of another host a map and a look for a file without a
 * name. Pure.
 */
import { ConfWriter, plain, quotedWord, raw } from '../fallback/conf-writer.js'
import type { Word } from '../fallback/conf-writer.js'
import { LANE_DOMAIN } from './lane-names.js'
import { hostKey, nameKey } from '../fallback/words.js'
import { gatePath, laneName, writeGate, writeGateMaps } from './gate-conf.js'
import type { LanePlace } from './gate-conf.js'
import { gateFile } from './gate-files.js'
import { OTHERS, SEGMENT } from './gate-keys.js'
import { isWhole } from './lane.js'
import type { Gate, GatedHost, Lane, LanePlan } from './lane.js'

export interface LaneFiles {
  http: string
  location: string
  proxy: string
  server: string
}

/** For some 200 instances, once over while they change. */
const ZONE = '256k'
const KEEPALIVE = 32

function writeLane(out: ConfWriter, lane: Lane, { home, poolPort }: LanePlace): void {
  out.block('upstream', [plain(laneName(lane))], () => {
    out.directive('zone', plain(laneName(lane)), plain(ZONE))
    if (lane.isLeastConn) {
      out.directive('least_conn')
    }
    out.directive('resolver', plain(`127.0.0.1:${poolPort}`), plain('ipv6=off'))
    // Also how often nginx asks, and logs an error, while nobody answers.
    out.directive('resolver_timeout', plain('5s'))
    const { id, maxFails, failTimeoutMs } = lane
    const fails = [plain(`max_fails=${maxFails}`), plain(`fail_timeout=${failTimeoutMs / 1000}s`)]
    const server = [plain(`${id}.${LANE_DOMAIN}`), plain('service=_http._tcp'), plain('resolve')]
    out.directive('server', ...server, ...fails)
    // Whom nginx reached nobody of, or knows nobody yet, the hop serves by the table.
    const hop = quotedWord(`unix:${home}/hop/hop.sock`)
    out.directive('server', hop, plain('backup'), plain('max_fails=0'))
    out.directive('keepalive', plain(String(KEEPALIVE)))
    out.directive('keepalive_timeout', plain('30s'))
  })
}

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

/** A host with one route is found by one look; one with paths needs its first segment, too. */
function writeMaps(out: ConfWriter, hosts: readonly GatedHost[], home: string): void {
  const file = (gate: Gate | undefined): Word =>
    quotedWord(gate === undefined ? '' : gatePath(home, gate))
  const byPath = hosts.filter((host) => !isWhole(host))
  out.block('map', [plain('$host'), plain('$sluice_gate')], () => {
    out.entry(plain('default'), quotedWord(''))
    for (const host of hosts) {
      const whole = isWhole(host) ? file(host.byPrefix.get('/')) : plain('$sluice_gate_by_path')
      out.entry(hostKey(host.host), whole)
    }
  })
  if (byPath.length === 0) {
    return
  }
  writeFirst(out)
  out.block('map', [plain('$host'), plain('$sluice_gate_of_rest')], () => {
    out.entry(plain('default'), quotedWord(''))
    byPath.forEach(({ host, byPrefix }) => out.entry(hostKey(host), file(byPrefix.get('/'))))
  })
  out.block('map', [raw('$host$sluice_first'), plain('$sluice_gate_by_path')], () => {
    out.entry(plain('default'), plain('$sluice_gate_of_rest'))
    for (const { host, byPrefix } of byPath) {
      out.entry(quotedWord(`${host}!`), quotedWord(''))
      for (const first of firstsOf(byPrefix)) {
        const gate = plain('$sluice_gate_by_pair')
        out.entry(
          quotedWord(`${host}${first}`),
          isParted(byPrefix, first) ? gate : file(byPrefix.get(first)),
        )
      }
    }
  })
  writePairs(out, byPath, file)
}

type ByPrefix = GatedHost['byPrefix']

/** `/api` of `/api` and `/api/v2`; not `/`. */
function firstsOf(byPrefix: ByPrefix): Set<string> {
  const firsts = [...byPrefix.keys()].map((key) => key.replace(/^([/][^/]+)[/].*/, '$1'))
  return new Set(firsts.filter((first) => first !== '/'))
}

function isParted(byPrefix: ByPrefix, first: string): boolean {
  return [...byPrefix.keys()].some((key) => key.startsWith(`${first}/`))
}

/** Of first segments that lead to several places. */
function writePairs(
  out: ConfWriter,
  hosts: readonly GatedHost[],
  file: (gate: Gate | undefined) => Word,
): void {
  const parted = hosts.flatMap((gated) =>
    [...firstsOf(gated.byPrefix)]
      .filter((first) => isParted(gated.byPrefix, first))
      .map((first) => ({ ...gated, first })),
  )
  if (parted.length === 0) {
    return
  }
  writePair(out)
  out.block('map', [raw('$host$sluice_first'), plain('$sluice_gate_of_first')], () => {
    out.entry(plain('default'), quotedWord(''))
    for (const { host, byPrefix, first } of parted) {
      const gate = byPrefix.get(byPrefix.has(first) ? first : '/')
      out.entry(quotedWord(`${host}${first}`), file(gate))
    }
  })
  out.block('map', [raw('$host$sluice_pair'), plain('$sluice_gate_by_pair')], () => {
    out.entry(plain('default'), plain('$sluice_gate_of_first'))
    for (const { host, byPrefix, first } of parted) {
      const below = [...byPrefix].filter(([key]) => key.startsWith(`${first}/`))
      below.forEach(([key, gate]) => out.entry(quotedWord(`${host}${key}`), file(gate)))
    }
  })
}

/** Gates of upstreams that a location names itself: where it is, and what nginx calls the lane. */
function writeNamed(out: ConfWriter, gates: readonly Gate[], home: string): void {
  const rows = gates.flatMap((gate) =>
    gate.arms.map(({ lane }) => ({ lane, file: quotedWord(gateFile(home, gate)) })),
  )
  const map = (name: string, valueOf: (row: (typeof rows)[number]) => Word): void =>
    out.block('map', [plain('$sluice_upstream'), plain(name)], () => {
      out.entry(plain('default'), quotedWord(''))
      rows.forEach((row) => out.entry(nameKey(row.lane.upstream), valueOf(row)))
    })
  map('$sluice_named_gate', ({ file }) => file)
  map('$sluice_named_lane', ({ lane }) => plain(lane.id))
}

/**
 * In the user's location. nginx evaluates what follows there all the same, so what the table's pick
 * would be asked for is said here.
 */
function writeOwn(out: ConfWriter): void {
  out.directive('open_file_cache', plain('off'))
  out.block('if', [{ text: '(-f $sluice_named_gate)' }], () => {
    out.directive('set', plain('$sluice_drawn'), plain('$sluice_named_lane'))
    out.directive('set', plain('$sluice_sid'), quotedWord(''))
    out.directive('set', plain('$sluice_late'), quotedWord(''))
    out.directive('set', plain('$sluice_picked_upstream'), plain('$sluice_upstream'))
    out.directive('set', plain('$sluice_picked_instance'), quotedWord('-'))
    out.directive('proxy_pass', { text: 'http://${sluice_named_lane}_lane' })
  })
}

export function renderLanes({ lanes, gates, hosts, named }: LanePlan, place: LanePlace): LaneFiles {
  const [http, location] = [new ConfWriter(), new ConfWriter()]
  const [proxy, server] = [new ConfWriter(), new ConfWriter()]
  if (gates.size > 0) {
    lanes.forEach((lane) => writeLane(http, lane, place))
    writeGateMaps(http, [...gates.values()], place.home)
    writeMaps(http, hosts, place.home)
    // What nginx remembers of a file may be over.
    location.directive('open_file_cache', plain('off'))
    location.block('if', [{ text: '(-f $sluice_gate)' }], () => {
      location.directive('error_page', plain('418'), plain('='), { text: '@$sluice_gate' })
      location.directive('return', plain('418'))
    })
    writeNamed(http, named, place.home)
    writeOwn(proxy)
    const routed = [...gates.values()].filter(({ host }) => host !== '')
    routed.forEach((gate) => writeGate(server, gate, place))
  }
  return {
    http: http.text(),
    location: location.text(),
    proxy: proxy.text(),
    server: server.text(),
  }
}
