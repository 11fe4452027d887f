/** What the table has of a route that acts, made by the contract's own guard. */
import { actionOf } from '../../contract/record/route-action.js'
import { guardRoute } from '../../contract/record/route.js'
import { actionUnit, hostUnit, type Entries } from '../../lab/nginx/unit-builder.js'

/** A route's own units: its host's (`<id>.test`) and what it does. */
export function routeUnits(id: string, target: string, fields: object): Entries[] {
  const served = target.startsWith(':') ? { upstream: target.slice(1) } : {}
  const split = target.startsWith('~') ? { split: [{ upstream: 'web', weight: 1 }] } : {}
  const checked = guardRoute({ hosts: [`${id}.test`], ...served, ...split, ...fields })
  if (!checked.ok) {
    throw new Error(`${checked.field} ${checked.message}`)
  }
  const { pathPrefix: prefix } = checked.value
  const action = actionOf(checked.value)
  if (action === undefined) {
    throw new Error(`${id} does nothing`)
  }
  return [hostUnit(`${id}.test`, [[prefix, `&${id}`]]), actionUnit(id, { target, prefix, action })]
}
