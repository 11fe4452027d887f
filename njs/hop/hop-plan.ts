/** What the hop does with a request that the front's pool did not serve. */
import { UnitKind } from '../../contract/table/mark.js'
import { Width, STATE_KEY, parseState } from '../../contract/table/table.js'
import { choose, drawPreferred, isAnotherUp, trialOf, whoIsIn } from '../choose/choice.js'
import type { PeerChoice, ChoiceContext } from '../choose/choice-types.js'
import type { Draw } from '../choose/draw.js'
import type { Dict } from '../memory/dict.js'
import { takeTrial } from '../memory/load.js'
import { drawFor } from '../choose/draw.js'
import { UNCLEAR } from '../table/lookup.js'
import { setArmCookie } from './state.js'
import type { Picked } from './picked.js'
import type { Refusal } from './state.js'

export type HopPlan =
  | { does: 'try'; choice: PeerChoice; tried: string; isTrial: boolean }
  /** The table was not loaded yet: an upstream's fallback, or (for '') that of the host. */
  | { does: 'fallback'; upstream: string }
  | { does: 'refuse'; code: Refusal; name: string; tried: string }

function unknown(table: Dict, picked: Picked, unit: string): HopPlan {
  const isHost = picked.key.charAt(0) !== UnitKind.Upstream
  const name = picked.key.slice(1, picked.key.lastIndexOf('/'))
  if (unit === UNCLEAR) {
    return { does: 'refuse', code: 'unclear_path', name: name, tried: '' }
  }
  if (!parseState(table.get(STATE_KEY)).whole) {
    return { does: 'fallback', upstream: isHost ? '' : name }
  }
  return unit === ''
    ? { does: 'refuse', code: 'no_route', name: name, tried: '' }
    : { does: 'refuse', code: 'no_peer', name: unit.slice(1), tried: '' }
}

/**
 * A peer that is up and was not chosen has no place left: nothing else keeps it from being chosen.
 */
function whyNone(table: Dict, draw: Draw, tried: string): Refusal {
  return isAnotherUp(table, draw, tried) ? 'upstream_full' : 'no_peer'
}

/** A peer that may have recovered, if this request is the one that finds out. */
function planTrial(context: ChoiceContext, draw: Draw): HopPlan | null {
  const trial = trialOf(context, draw)
  if (trial === '' || !takeTrial(context.load, trial, context.nowMs)) {
    return null
  }
  const choice = whoIsIn(context.table, draw, trial.slice(1))
  return choice === null ? null : { does: 'try', choice: choice, tried: '', isTrial: true }
}

function planOnce(
  context: ChoiceContext,
  picked: Picked,
  isSecond: boolean,
  mayTry: boolean,
): HopPlan {
  const table = context.table
  const draw = drawFor(table, context.request, picked.key)
  if (draw.arm !== undefined) {
    setArmCookie(context.request.variables, draw.arm.cookie)
  }
  const record = draw.unit === '' ? undefined : table.get(draw.unit)
  if (record === undefined || record.length < Width.Digest) {
    return unknown(table, picked, draw.unit)
  }
  const trial = mayTry && picked.sid === '' && !isSecond ? planTrial(context, draw) : null
  if (trial !== null) {
    return trial
  }
  const wish = picked.sid === '' ? drawPreferred(context, draw) : { upstream: '', sid: picked.sid }
  const known = whoIsIn(table, draw, wish.sid)
  const wasTried = isSecond || (picked.sid !== '' && known !== null && known.peer.pooled)
  const tried = wasTried ? wish.sid : ''
  const choice = choose(context, draw, wish, tried)
  if (choice !== null) {
    return { does: 'try', choice: choice, tried: tried, isTrial: false }
  }
  // The pool may not have had it, or only its kept-alive connection was dead: better asked twice
  // than not at all.
  return known !== null && known.peer.up
    ? { does: 'try', choice: known, tried: tried, isTrial: false }
    : { does: 'refuse', code: whyNone(table, draw, tried), name: draw.unit.slice(1), tried: tried }
}

/**
 * Where to begin. `isSecond` says that the hop was asked for this request before and did not
 * answer in time: what it chose then is left out now. `mayTry`: the request may be sent twice, so
 * it may try a peer that is believed dead. Between two reads of one request a change may take a
 * split or a route away. Its host leads to something else before that, so nothing is refused that
 * was not looked up twice.
 */
export function plan(
  context: ChoiceContext,
  picked: Picked,
  isSecond: boolean,
  mayTry: boolean,
): HopPlan {
  const made = planOnce(context, picked, isSecond, mayTry)
  return made.does === 'refuse' && picked.key.charAt(0) !== UnitKind.Upstream
    ? planOnce(context, picked, isSecond, mayTry)
    : made
}
