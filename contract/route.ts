/** The registry's routes and their guard. */
import { checkShape, right, within, wrong } from './checked.js'
import type { Checked, Fields } from './checked.js'
import { isName, isWhole } from './names.js'
import { ACTION_FIELDS, answersItself, checkAction } from './route-action.js'
import type { RouteAction } from './route-action.js'
import { MATCH_FIELDS, checkMatch } from './route-match.js'
import type { Match } from './route-match.js'

export interface SplitArm {
  upstream: string
  weight: number
}

/**
 * `routes/<id>`: what it is for, one upstream or several by weight, and what is done besides. Exactly one of the two is set, or
 * none where the route answers by itself.
 */
export interface RouteRecord extends Match, RouteAction {
  upstream?: string
  split?: SplitArm[]
}

export const ROUTE_FIELDS = MATCH_FIELDS.concat(['upstream', 'split'], ACTION_FIELDS)

function checkArm(arm: unknown): Checked<SplitArm> {
  const shape = checkShape(arm, ['upstream', 'weight'])
  if (!shape.ok) {
    return shape
  }
  if (!isName(shape.value.upstream)) {
    return wrong('upstream', 'must be the name of an upstream')
  }
  return isWhole(shape.value.weight, 1, 1000)
    ? right({ upstream: shape.value.upstream, weight: shape.value.weight })
    : wrong('weight', 'must be a whole number from 1 to 1000')
}

function checkSplit(value: unknown): Checked<SplitArm[]> {
  if (!Array.isArray(value) || value.length < 1 || value.length > 16) {
    return wrong('split', 'must be a list of 1 to 16 {upstream, weight}')
  }
  const arms = value.map(checkArm)
  for (let i = 0; i < arms.length; i++) {
    const arm = arms[i] as Checked<SplitArm>
    if (!arm.ok) {
      return wrong(within('split[' + i + ']', arm.field), arm.message)
    }
  }
  return right(arms.map((arm) => (arm as { value: SplitArm }).value))
}

export type RouteTarget = Pick<RouteRecord, 'upstream' | 'split'>

/** Where a route leads: exactly one of `upstream` and `split`; or neither, where `mayBeNobody`. */
export function checkTarget(fields: Fields, mayBeNobody: boolean): Checked<RouteTarget> {
  const isBare = fields.upstream === undefined && fields.split === undefined
  if (isBare && mayBeNobody) {
    return right({})
  }
  if (isBare || (fields.upstream !== undefined && fields.split !== undefined)) {
    return wrong('upstream', 'or split must be given, and not both')
  }
  if (fields.split === undefined) {
    return isName(fields.upstream)
      ? right({ upstream: fields.upstream })
      : wrong('upstream', 'must be the name of an upstream')
  }
  const split = checkSplit(fields.split)
  return split.ok ? right({ split: split.value }) : split
}

/** `{hosts: ["app.example.com"], pathPrefix: "/api", upstream: "web"}`, and conditions, which may be left out. */
export function checkRoute(value: unknown): Checked<RouteRecord> {
  const shape = checkShape(value, ROUTE_FIELDS)
  if (!shape.ok) {
    return shape
  }
  const fields = shape.value
  const match = checkMatch(fields)
  if (!match.ok) {
    return match
  }
  const action = checkAction(fields)
  if (!action.ok) {
    return action
  }
  const target = checkTarget(fields, answersItself(action.value))
  return target.ok ? right(Object.assign({}, match.value, target.value, action.value)) : target
}
