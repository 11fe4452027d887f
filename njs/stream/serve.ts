/**
 * To which peer a connection goes. nginx tries no second peer where proxy_pass has a variable. So a
 * peer is asked first whether it takes connections (preflight.ts), where there is another one and
 * it has no seat (contract/seat.ts).
 */
import { seatName } from '../../contract/seat.js'
import { STATE_KEY, parseState } from '../../contract/table/table.js'
import { NOBODY } from '../../contract/table/mark.js'
import { MOST_TRIES } from '../../contract/table/limits.js'
import { choose, drawPreferred, isAnotherUp, whoIs } from '../choose/choice.js'
import type { PeerChoice, ChoiceContext } from '../choose/choice-types.js'
import { countEvent, countFailure } from '../memory/counters.js'
import { countForDrainSafely } from '../memory/count-for-drain.js'
import { zones } from '../memory/dict.js'
import type { LookupRequest } from '../table/lookup-request.js'
import { takePlaceAt } from '../choose/take-place-at.js'
import { drawFor, shareOfTry } from '../choose/draw.js'
import type { Draw } from '../choose/draw.js'
import { streamFallback } from './fallback.js'
import { mostAsked, acceptsConnections, emitEvent, tryTrial } from './preflight.js'

const counter = zones.sluice_counter
const NO_WISH = { upstream: '', sid: '' }

function streamContext(s: NginxStreamRequest): ChoiceContext {
  const asked = { uri: '/', variables: s.variables } as unknown as LookupRequest
  return { table: zones.sluice_table, load: zones.sluice_load, request: asked, nowMs: Date.now() }
}

function isWorthAsking(
  s: NginxStreamRequest,
  draw: Draw,
  choice: PeerChoice,
  tried: string,
  nth: number,
): boolean {
  return (
    s.variables.protocol === 'TCP' &&
    nth + 1 < mostAsked(choice.upstream) &&
    isAnotherUp(zones.sluice_table, draw, tried + ' ' + choice.peer.sid)
  )
}

/**
 * While the peer was asked, it may have been drained or removed. A split that went meanwhile is no
 * reason against the peer.
 */
function isStillUp(choice: PeerChoice): boolean {
  const now = whoIs(zones.sluice_table, choice.upstream, choice.peer.sid)
  return now !== null && (now.peer.up || !choice.peer.up)
}

/** The controller and its counters hear of it. */
function noteRefused(s: NginxStreamRequest, sid: string): void {
  emitEvent(s, 'f' + sid)
  countEvent(counter, 'retried', s)
}

/**
 * Asks the peer whether it takes connections, where another one could, and takes a place at it.
 * False when the connection is to go to another peer.
 */
async function askAndTakePlace(
  s: NginxStreamRequest,
  draw: Draw,
  choice: PeerChoice,
  tried: string,
  nth: number,
): Promise<boolean> {
  if (isWorthAsking(s, draw, choice, tried, nth)) {
    const isThere = await acceptsConnections(s, choice.peer.address)
    if (!isThere) {
      noteRefused(s, choice.peer.sid)
    }
    if (!isThere || !isStillUp(choice)) {
      return false
    }
  }
  return takePlaceAt(choice)
}

/** Counts why nobody serves. */
function countNone(s: NginxStreamRequest, context: ChoiceContext, draw: Draw): void {
  const isKnown = draw.unit !== '' && context.table.get(draw.unit) !== undefined
  const isWhole = parseState(context.table.get(STATE_KEY)).whole
  countEvent(counter, isWhole && !isKnown ? 'noRoute' : 'noPeer', s)
}

/** What the fallback has; '' where nobody serves, which is counted. */
function elsewhere(s: NginxStreamRequest, context: ChoiceContext, draw: Draw, key: string): string {
  const left = streamFallback(s, key.slice(0, key.lastIndexOf('/')))
  if (left === '' || left === NOBODY) {
    countNone(s, context, draw)
    return ''
  }
  countEvent(counter, 'fallback', s)
  return left
}

/** The peer that takes the connection that finds out about it, counted; else who was tried. */
async function takeTrial(
  s: NginxStreamRequest,
  context: ChoiceContext,
  key: string,
): Promise<{ address: string; tried: string }> {
  const trial = await tryTrial(s, context, drawFor(context.table, context.request, key))
  if (trial.choice === null || !takePlaceAt(trial.choice)) {
    return { address: '', tried: trial.tried }
  }
  countForDrainSafely(trial.choice.peer.sid, 'a connection', s)
  return { address: trial.choice.peer.address, tried: '' }
}

/**
 * The peer's seat, if it may be one and there is one; else its address, once that took a
 * connection. Counted; '' when the connection is to go to another peer.
 */
async function takenTarget(
  s: NginxStreamRequest,
  draw: Draw,
  choice: PeerChoice,
  tried: string,
  nth: number,
  bySeat: boolean,
): Promise<string> {
  const peer = choice.peer
  const isSeated = bySeat && peer.seat !== '' && s.variables.protocol === 'TCP'
  const isTaken = isSeated
    ? takePlaceAt(choice)
    : await askAndTakePlace(s, draw, choice, tried, nth)
  if (isTaken) {
    countForDrainSafely(peer.sid, 'a connection', s)
  }
  return isTaken ? (isSeated ? seatName(Number(peer.seat)) : peer.address) : ''
}

/**
 * What to connect to: an address, or a seat if `bySeat`; '' when nobody serves. Each try looks up
 * anew where the key leads: between two reads, and more so while a peer was asked, a change may
 * take a split away. Its port leads to something else before that, so nothing is refused that was
 * not looked up twice. `refused`: the SID of a peer that has, '' for none. Where nobody else is
 * left, it is tried again.
 */
async function find(
  s: NginxStreamRequest,
  key: string,
  refused: string,
  bySeat: boolean,
): Promise<string> {
  const context = streamContext(s)
  const trial = refused === '' ? await takeTrial(s, context, key) : { address: '', tried: refused }
  if (trial.address !== '') {
    return trial.address
  }
  let tried = trial.tried
  let wasNone = false
  for (let nth = refused === '' ? 0 : 1; nth < MOST_TRIES; nth++) {
    const draw = drawFor(context.table, context.request, key)
    draw.share = shareOfTry(draw.share, nth)
    const wish = nth === 0 ? drawPreferred(context, draw) : NO_WISH
    const choice = choose(context, draw, wish, tried)
    const target = choice === null ? '' : await takenTarget(s, draw, choice, tried, nth, bySeat)
    if (target !== '') {
      return target
    }
    if (choice !== null) {
      tried = tried + ' ' + choice.peer.sid
    } else if (wasNone) {
      return elsewhere(s, context, draw, key)
    } else if (refused !== '') {
      tried = tried.replace(refused, '')
    }
    wasNone = choice === null
  }
  countEvent(counter, 'noPeer', s)
  return ''
}

/**
 * Chooses, or closes the connection. Never throws. `refused`: the SID of a peer that has refused
 * it, '' for none. `bySeat`: whether the connection may go to a seat.
 */
export async function serve(
  s: NginxStreamRequest,
  key: string,
  refused: string,
  bySeat: boolean,
): Promise<void> {
  let address = ''
  try {
    if (refused !== '') {
      noteRefused(s, refused)
    }
    address = await find(s, key, refused, bySeat)
  } catch (error) {
    countFailure(counter, 'the pick of a connection', error, s)
  }
  if (address === '') {
    s.deny()
    return
  }
  s.variables.sluice_peer = address
  s.allow()
}
