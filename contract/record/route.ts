/** The registry's routes and their guard. */
import { guardShape, right, wrong } from '../guard/guarded.js'
import type { Guarded, Fields } from '../guard/guarded.js'
import { NAME_RULE, isName } from '../guard/names.js'
import { ACTION_FIELDS, answersItself, guardAction } from './route-action.js'
import type { RouteAction } from './route-action.js'
import { MATCH_FIELDS, guardMatch } from './route-match.js'
import type { Match } from './route-match.js'
import { guardSplit } from './route-split.js'
import type { Split } from './route-split.js'

/**
 * `routes/<id>`: what it is for, one upstream or several by weight, and what is done besides.
 * Exactly one of the two is set, or none where the route answers by itself.
 */
export interface RouteRecord extends Match, Partial<Split>, RouteAction {
  upstream?: string
}

export const ROUTE_FIELDS = MATCH_FIELDS.concat(['upstream', 'split', 'stick'], ACTION_FIELDS)

export type RouteTarget = Pick<RouteRecord, 'upstream' | 'split' | 'stick'>

/** Where a route leads: exactly one of `upstream` and `split`; or neither, where `mayBeNobody`. */
export function guardTarget(fields: Fields, mayBeNobody: boolean): Guarded<RouteTarget> {
  if (fields.split === undefined && fields.stick !== undefined) {
    return wrong('stick', 'is for a split')
  }
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
      : wrong('upstream', NAME_RULE)
  }
  return guardSplit(fields.split, fields.stick)
}

/**
 * `{hosts: ["app.example.com"], pathPrefix: "/api", upstream: "web"}`, and conditions, which may be
 * left out.
 */
export function guardRoute(value: unknown): Guarded<RouteRecord> {
  const shape = guardShape(value, ROUTE_FIELDS)
  if (!shape.ok) {
    return shape
  }
  const fields = shape.value
  const match = guardMatch(fields)
  if (!match.ok) {
    return match
  }
  const action = guardAction(fields)
  if (!action.ok) {
    return action
  }
  const target = guardTarget(fields, answersItself(action.value))
  return target.ok ? right(Object.assign({}, match.value, target.value, action.value)) : target
}
