/** The registry's routes and their guard. */
import { checkShape, right, within, wrong } from './checked.js'
import type { Checked } from './checked.js'
import { isHostPattern, isName, isPathPrefix, isWhole } from './names.js'

export interface SplitArm {
  upstream: string
  weight: number
}

/** `routes/<id>`: hosts (and a path prefix) to one upstream or to several by weight. Exactly one of the two is set. */
export interface RouteRecord {
  hosts: string[]
  pathPrefix: string
  upstream?: string
  split?: SplitArm[]
}

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

function checkHosts(value: unknown): Checked<string[]> {
  if (!Array.isArray(value) || value.length < 1 || value.length > 256) {
    return wrong('hosts', 'must be a list of 1 to 256 host names')
  }
  const hosts = value.map((host: unknown) =>
    typeof host === 'string' ? host.toLowerCase().replace(/\.$/, '') : host,
  )
  for (let i = 0; i < hosts.length; i++) {
    if (!isHostPattern(hosts[i])) {
      return wrong(
        'hosts[' + i + ']',
        'must be a host name such as app.example.com or *.example.com',
      )
    }
    if (hosts.indexOf(hosts[i]) !== i) {
      return wrong('hosts[' + i + ']', 'is named twice')
    }
  }
  return right(hosts as string[])
}

export type RouteTarget = { upstream: string } | { split: SplitArm[] }

/** Where a route leads: exactly one of `upstream` and `split`. */
export function checkTarget(fields: Record<string, unknown>): Checked<RouteTarget> {
  if ((fields.upstream === undefined) === (fields.split === undefined)) {
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

/** `{hosts: ["app.example.com"], pathPrefix: "/api", upstream: "web"}`; `pathPrefix` is `/` when left out. */
export function checkRoute(value: unknown): Checked<RouteRecord> {
  const shape = checkShape(value, ['hosts', 'pathPrefix', 'upstream', 'split'])
  if (!shape.ok) {
    return shape
  }
  const fields = shape.value
  const hosts = checkHosts(fields.hosts)
  if (!hosts.ok) {
    return hosts
  }
  const prefix = fields.pathPrefix === undefined ? '/' : fields.pathPrefix
  if (!isPathPrefix(prefix)) {
    return wrong(
      'pathPrefix',
      'must be / or a path such as /api, without % and without a trailing /',
    )
  }
  const target = checkTarget(fields)
  return target.ok
    ? right(Object.assign({ hosts: hosts.value, pathPrefix: prefix }, target.value))
    : target
}
