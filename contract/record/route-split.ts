/** A route's split: its arms, what forces a request to one, and how a client keeps its arm. */
import { guardShape, isObject, right, fieldIn, wrong } from '../guard/guarded.js'
import type { Guarded, FieldRule } from '../guard/guarded.js'
import { guardMetadata } from '../guard/metadata.js'
import type { Where } from '../guard/metadata.js'
import { NAME_RULE, isName, isWhole } from '../guard/names.js'
import { guardPart, oneOf } from '../guard/part.js'
import { CONDITION_FIELDS, guardConditions } from './route-match.js'
import type { Conditional } from './route-match.js'
import {
  COOKIE,
  SOURCE_MESSAGE,
  cookieDefaults,
  isSource,
  passable,
  spellSource,
} from './sticky.js'
import type { GivenCookie, TextSource } from './sticky.js'

export interface SplitArm {
  upstream: string
  /** Only those of its instances whose metadata is so. Absent: all. */
  where?: Where
  /** 0: only requests that meet `when` go there. */
  weight: number
  /** A request that meets this goes there, whatever the weights. */
  when?: Conditional
}

interface Seeded {
  /** Another seed gives clients other arms. Absent: the route's id. */
  seed?: string
}

/** By a text of the client's requests. A request without it is drawn for anew. */
interface StickByHash extends Seeded {
  by: 'hash'
  key: TextSource
}

/** By a cookie that the gateway gives with the first answer. */
interface StickByCookie extends Seeded, GivenCookie {
  by: 'cookie'
}

export type Stick = StickByHash | StickByCookie

export interface Split {
  split: SplitArm[]
  stick?: Stick
}

const MOST_ARMS = 16

const BY: FieldRule = ['by', oneOf(['hash', 'cookie']), 'must be hash or cookie']
const SEED: FieldRule = [
  'seed',
  (value) => typeof value === 'string' && /^[\w.-]{1,64}$/.test(value),
  'must be 1 to 64 letters, digits, _, . and -',
]

/** Whether the arm of a request depends on more than a draw. */
export function isChosen(split: Split): boolean {
  return split.stick !== undefined || split.split.some((arm) => arm.when !== undefined)
}

function guardWhen(value: unknown): Guarded<Conditional> {
  const shape = guardShape(value, CONDITION_FIELDS)
  if (!shape.ok) {
    return shape
  }
  return Object.keys(shape.value).length === 0
    ? wrong('', 'must have one of ' + CONDITION_FIELDS.join(', '))
    : guardConditions(shape.value)
}

function guardWhere(value: unknown): Guarded<Where> {
  const problem = guardMetadata(value)
  if (problem !== null) {
    return wrong('where', problem)
  }
  return Object.keys(value as Where).length === 0
    ? wrong('where', 'must name some metadata')
    : right(value as Where)
}

function guardArm(value: unknown): Guarded<SplitArm> {
  const shape = guardShape(value, ['upstream', 'where', 'weight', 'when'])
  if (!shape.ok) {
    return shape
  }
  const fields = shape.value
  if (!isName(fields.upstream)) {
    return wrong('upstream', NAME_RULE)
  }
  const isForced = fields.when !== undefined
  const weight = isForced && fields.weight === undefined ? 0 : fields.weight
  if (!isWhole(weight, isForced ? 0 : 1, 1000)) {
    return wrong('weight', 'must be a whole number from 1 to 1000, or 0 beside when')
  }
  const arm: SplitArm = { upstream: fields.upstream, weight: weight }
  if (fields.where !== undefined) {
    const where = guardWhere(fields.where)
    if (!where.ok) {
      return where
    }
    arm.where = where.value
  }
  if (!isForced) {
    return right(arm)
  }
  const when = guardWhen(fields.when)
  return when.ok
    ? right(Object.assign(arm, { when: when.value }))
    : wrong(fieldIn('when', when.field), when.message)
}

function guardArms(value: unknown): Guarded<SplitArm[]> {
  if (!Array.isArray(value) || value.length < 1 || value.length > MOST_ARMS) {
    return wrong('split', 'must be a list of 1 to ' + MOST_ARMS + ' {upstream, weight}')
  }
  const arms: SplitArm[] = []
  for (let i = 0; i < value.length; i++) {
    const arm = guardArm(value[i])
    if (!arm.ok) {
      return wrong(fieldIn('split[' + i + ']', arm.field), arm.message)
    }
    arms.push(arm.value)
  }
  return arms.some((arm) => arm.weight > 0)
    ? right(arms)
    : wrong('split', 'must have an arm with a weight: for whoever meets no condition')
}

/**
 * `{by: "hash", key: "address"}`, or `{by: "cookie"}`, whose fields are those of a policy's cookie.
 */
function guardStick(value: unknown): Guarded<Stick> {
  if (isObject(value) && value.by === 'hash') {
    const rules: FieldRule[] = [BY, ['key', isSource, SOURCE_MESSAGE], SEED]
    const hash = guardPart<StickByHash>(value, rules, {}, ['key'])
    return hash.ok
      ? right(Object.assign({}, hash.value, { key: spellSource(hash.value.key) }))
      : hash
  }
  const rules = [BY].concat(COOKIE, [SEED])
  return passable(guardPart<StickByCookie>(value, rules, cookieDefaults('sluice-arm'), ['by']))
}

/** `stick` may be left out. */
export function guardSplit(split: unknown, stick: unknown): Guarded<Split> {
  const arms = guardArms(split)
  if (!arms.ok) {
    return arms
  }
  if (stick === undefined) {
    return right({ split: arms.value })
  }
  const guarded = guardStick(stick)
  return guarded.ok
    ? right({ split: arms.value, stick: guarded.value })
    : wrong(fieldIn('stick', guarded.field), guarded.message)
}
