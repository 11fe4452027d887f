/**
 * What nginx is given for a gate: the path that its file is looked for at, and the location of each
 * of its arms, which is named by that path. Pure.
 */
import { ACCEL_HEADERS, otherSpellings } from '../../contract/guard/header-names.js'
import { CONNECT_TIMEOUT_MS, PEER_HEADER, PICK_HEADER } from '../../contract/servers.js'
import { CONNECTION_ZONE } from '../../contract/table/zones.js'
import { plain, quotedWord } from '../fallback/conf-writer.js'
import type { ConfWriter } from '../fallback/conf-writer.js'
import { conditionsOf, writeAction, writeConditions } from './act-conf.js'
import { gateFile } from './gate-files.js'
import type { Gate, GateArm, Lane } from './lane.js'

/** Facts of the home that the files are for. */
export interface LanePlace {
  home: string
  poolPort: number
  /** Of `headers.conf` and `changed-headers.conf`: what instances learn about a client. */
  includes: string
}

/** What nginx calls a lane's `upstream{}`. */
export function laneName({ id }: Lane): string {
  return `${id}_lane`
}

function armVariable({ id }: Gate): string {
  return `$sluice_arm_${id}`
}

/** Where the gate's file is looked for: of requests that may not pass, at a path without one. */
export function gatePath(home: string, gate: Gate): string {
  const drawn = gate.arms.length > 1 ? `\${${armVariable(gate).slice(1)}}` : gateFile(home, gate)
  return drawn + conditionsOf(gate.action).join('')
}

/** Shares with two digits, as nginx has them; the last arm has what is left. */
function writeArms(out: ConfWriter, gate: Gate, home: string): void {
  const sum = gate.arms.reduce((total, { weight }) => total + weight, 0)
  const source = quotedWord('$connection$connection_requests')
  out.block('split_clients', [source, plain(armVariable(gate))], () => {
    gate.arms.forEach(({ weight }, arm) => {
      const share = `${((100 * weight) / sum).toFixed(2)}%`
      const isLast = arm === gate.arms.length - 1
      out.entry({ text: isLast ? '*' : share }, quotedWord(gateFile(home, gate, arm)))
    })
  })
}

/** The variables of {@link gatePath}. */
export function writeGateMaps(out: ConfWriter, gates: readonly Gate[], home: string): void {
  writeConditions(
    out,
    gates.flatMap(({ action }) => action ?? []),
  )
  gates.filter(({ arms }) => arms.length > 1).forEach((gate) => writeArms(out, gate, home))
}

/** Where a request goes whose gate is open. */
export function writeGate(out: ConfWriter, gate: Gate, place: LanePlace): void {
  gate.arms.forEach((arm, index) => {
    const name = quotedWord(`@${gateFile(place.home, gate, index)}`)
    out.block('location', [name], () => writeArm(out, gate, arm, place))
  })
}

/**
 * What the hop is asked for in the lane's place: what the table has there, or the arm's upstream
 * where a route's part is done here.
 */
function askedOfHop({ host, arms, action }: Gate, { lane }: GateArm): string {
  return action === undefined && arms.length === 1 ? `@${host}/0` : `:${lane.upstream}/0`
}

function writeArm(out: ConfWriter, gate: Gate, arm: GateArm, { includes }: LanePlace): void {
  const { lane } = arm
  // What the hop needs where it is asked after the lane.
  out.directive('set', plain('$sluice_key'), quotedWord(`@${gate.host}/0`))
  out.directive('set', plain('$sluice_sid'), quotedWord(''))
  // What the access log has of it; whom nginx chose, it knows by the address alone.
  out.directive('set', plain('$sluice_picked_upstream'), quotedWord(lane.upstream))
  out.directive('set', plain('$sluice_picked_instance'), quotedWord('-'))
  // What limit_conn counts.
  out.directive('set', plain('$sluice_drawn'), plain(lane.id))
  out.directive('limit_conn', plain(CONNECTION_ZONE), plain('65535'))
  out.directive('recursive_error_pages', plain('on'))
  out.directive('proxy_connect_timeout', plain(`${CONNECT_TIMEOUT_MS}ms`))
  out.directive('proxy_http_version', plain('1.1'))
  out.directive('proxy_ignore_headers', ...ACCEL_HEADERS.map(plain))
  out.directive('proxy_hide_header', plain(PEER_HEADER))
  writeAction(out, gate.action, { host: gate.host, includes })
  out.directive('proxy_set_header', plain(PICK_HEADER), quotedWord(`${askedOfHop(gate, arm)} `))
  for (const name of otherSpellings(PICK_HEADER)) {
    out.directive('proxy_set_header', plain(name), quotedWord(''))
  }
  out.directive('proxy_pass', plain(`http://${laneName(lane)}`))
}
