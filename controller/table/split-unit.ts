/** A split → its unit of the table (contract/table/split-record.ts). Pure. */
import type { Where } from '../../contract/guard/metadata.js'
import { printConditions } from '../../contract/record/route-match.js'
import type { Conditional } from '../../contract/record/route-match.js'
import { isChosen } from '../../contract/record/route-split.js'
import type { Split, Stick } from '../../contract/record/route-split.js'
import { printSplit } from '../../contract/table/split-record.js'
import type { StickRule, SplitRecord } from '../../contract/table/split-record.js'
import { chooses } from './compiled-upstream.js'
import { markSlots, trialsOf } from './slot-marks.js'
import { makeUnit } from './unit.js'
import type { CompiledUpstream } from './compiled-upstream.js'
import type { Unit } from './unit.js'
import { cookieAttributes } from './upstream-rules.js'
import { layOut } from './slots.js'
import type { Weighted } from './slots.js'

/** An arm, and who is in it. */
export interface CompiledArm {
  weight: number
  where?: Where
  when?: Conditional
  compiled: CompiledUpstream
}

/**
 * Each arm's peers, by the arm's weight. An arm without a peer that is up leaves its part to the
 * others: a request is better served by the other version than by none.
 *
 * As soon as one arm has rules that choose, a slot only says whose turn it is, and peers of several
 * arms share a slot.
 */
function compileDrawn(name: string, arms: CompiledArm[]): Unit {
  const weights = new Map<string, number>()
  const sorted = [...arms].sort(
    (a, b) => (a.compiled.name < b.compiled.name ? -1 : 1) || a.weight - b.weight,
  )
  for (const { weight, compiled } of sorted) {
    const up = compiled.tiers.main
    const sum = up.reduce((total, peer) => total + peer.weight, 0)
    for (const peer of up) {
      weights.set(peer.sid, (weights.get(peer.sid) ?? 0) + (weight * peer.weight) / sum)
    }
  }
  const mixed: Weighted[] = [...weights].map(([sid, weight]) => ({ sid, weight }))
  const names = [...new Set(sorted.map((arm) => arm.compiled.name))]
  const marks = {
    ruled: sorted.some(({ compiled }) => chooses(compiled)),
    // Rules that choose have their trials themselves.
    trials: sorted.flatMap(({ compiled }) => (chooses(compiled) ? [] : trialsOf(compiled))),
  }
  const slots = markSlots(layOut(mixed), marks)
  const entries = new Map([...slots].map(([key, value]) => [name + key, value]))
  return makeUnit(name, names.join(' '), entries)
}

function stickRule(stick: Stick | undefined, seed: string): StickRule | null {
  if (stick === undefined) {
    return null
  }
  const own = stick.seed ?? seed
  return stick.by === 'hash'
    ? { seed: own, source: stick.key, attributes: '' }
    : { seed: own, source: `cookie:${stick.name}`, attributes: cookieAttributes(stick) }
}

/** Of a split in which more than a draw decides. */
export function splitRecordOf(
  name: string,
  arms: CompiledArm[],
  stick: Stick | undefined,
): SplitRecord {
  const upstreams = [...new Set(arms.map(({ compiled }) => compiled.name))].sort()
  const up = arms.filter(({ compiled }) => compiled.tiers.main.length > 0)
  const forced = up.flatMap(({ when, compiled }) =>
    when === undefined ? [] : [{ upstream: compiled.name, conditions: printConditions(when) }],
  )
  const weights = new Map<string, number>()
  for (const { weight, compiled } of up) {
    weights.set(compiled.name, (weights.get(compiled.name) ?? 0) + weight)
  }
  const weighted = [...weights]
    .filter(([, weight]) => weight > 0)
    .map(([upstream, weight]) => ({ upstream, weight }))
  return { upstreams, stick: stickRule(stick, name.slice(1)), forced, arms: weighted }
}

/** `name` is `~` and the route's id. */
export function compileSplit(name: string, arms: CompiledArm[], split: Split): Unit {
  return isChosen(split)
    ? makeUnit(name, printSplit(splitRecordOf(name, arms, split.stick)), new Map())
    : compileDrawn(name, arms)
}
