/** The registry's routes and their guard. */
import { checkShape, right, wrong } from './checked.js'
import type { Checked } from './checked.js'
import { isName } from './names.js'
import { MATCH_FIELDS, checkMatch } from './route-match.js'
import type { Match } from './route-match.js'
import { checkSplit } from './route-split.js'
import type { Split } from './route-split.js'

/** `routes/<id>`: what it is for, and one upstream or several by weight. Exactly one of the two is set. */
export interface RouteRecord extends Match, Partial<Split> {
  upstream?: string
}

export const ROUTE_FIELDS = MATCH_FIELDS.concat(['upstream', 'split', 'stick'])

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
  if ((fields.upstream === undefined) === (fields.split === undefined)) {
    return wrong('upstream', 'or split must be given, and not both')
  }
  if (fields.split === undefined) {
    if (fields.stick !== undefined) {
      return wrong('stick', 'is for a split')
    }
    return isName(fields.upstream)
      ? right(Object.assign({}, match.value, { upstream: fields.upstream }))
      : wrong('upstream', 'must be the name of an upstream')
  }
  const split = checkSplit(fields.split, fields.stick)
  return split.ok ? right(Object.assign({}, match.value, split.value)) : split
}
