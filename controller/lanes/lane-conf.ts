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
import { createHash } from 'node:crypto'
import { ConfWriter, plain, quotedWord } from '../fallback/conf-writer.js'
import type { Word } from '../fallback/conf-writer.js'
import { LANE_DOMAIN } from './lane-names.js'
import { nameKey } from '../fallback/words.js'
import { laneName, writeGate, writeGateMaps } from './gate-conf.js'
import type { LanePlace } from './gate-conf.js'
import { gateFile } from './gate-files.js'
import { writeMaps } from './gate-maps.js'
import type { Gate, Lane, LanePlan } from './lane.js'

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
    // Longer than an answer waits for a change. Also how often an error is logged without one.
    out.directive('resolver_timeout', plain('20s'))
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

/**
 * nginx may read these files while others take their place. A gate of one generation whose location
 * is of another would fail each request, so nginx refuses to mix them: the location, which nothing
 * leads to, needs the variable of its own `http.conf`.
 */
function writeGeneration(http: ConfWriter, server: ConfWriter): void {
  const hash = createHash('sha256').update(`${http.text()}\0${server.text()}`).digest('hex')
  const generation = plain(`$sluice_lanes_${hash.slice(0, 16)}`)
  http.block('map', [plain('$host'), generation], () => {
    http.entry(plain('default'), quotedWord(''))
  })
  server.block('location', [{ text: '@sluice_lanes' }], () => {
    server.directive('return', plain('404'), generation)
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
  writeGeneration(http, server)
  return {
    http: http.text(),
    location: location.text(),
    proxy: proxy.text(),
    server: server.text(),
  }
}
