/**
 * What of a change looks like a typing error, or is not known to this version. It is accepted all
 * the same: a route may come before its upstream, and a policy before its first instance.
 */
import { parseKey, printKey } from '../../../contract/keys.js'
import type { RouteRecord } from '../../../contract/record/route.js'
import type { StreamRouteRecord } from '../../../contract/record/stream-route.js'
import { nearest } from '../../../runtime/config/nearest.js'
import type { World } from './change-call.js'
import { isLeaving } from './draft.js'
import type { Draft, Write } from './draft.js'

export interface Warning {
  /** `upstream_unknown`, `upstream_empty`, `fields_unknown`. */
  code: string
  /** In the call's body, such as `split[0].upstream`; empty for the whole of it. */
  field: string
  message: string
}

export interface LocatedWarning extends Warning {
  /** Index of the call that it is about. */
  call: number
}

/**
 * Names that are compared for one change, all of its unknown names together; beyond, there are no
 * hints. A comparison takes some 25 microseconds.
 */
const MOST_COMPARED = 2000

/**
 * Warnings about all that is planned. They are looked for at the end, because a later call of a
 * batch may make what an earlier one names.
 */
export function findWarnings(draft: Draft, world: World): LocatedWarning[] {
  const writes = draft.writes()
  const known = new UpstreamNames(writes, world)
  return writes.flatMap((write) =>
    [...warningsOf(write, known), ...unknownFieldWarnings(write)].map((warning) => ({
      ...warning,
      call: write.call,
    })),
  )
}

function unknownFieldWarnings({ kept = [] }: Write): Warning[] {
  const message = `fields that this version does not know stay as they are: ${kept.join(', ')}`
  return kept.length === 0 ? [] : [{ code: 'fields_unknown', field: '', message }]
}

function warningsOf({ key, record }: Write, known: UpstreamNames): Warning[] {
  const parsed = parseKey(key)
  if (record === undefined || parsed === null) {
    return []
  }
  if (parsed.kind === 'routes') {
    return namedIn(record as RouteRecord | StreamRouteRecord).flatMap(([field, name]) =>
      known.warningsFor(field, name),
    )
  }
  return parsed.kind === 'upstreams' && !known.hasInstances(parsed.upstream)
    ? [emptyWarning(parsed.upstream)]
    : []
}

function emptyWarning(name: string): Warning {
  const message = `upstream ${name} has no instances; until one is registered its requests fail`
  return { code: 'upstream_empty', field: '', message }
}

/** The upstreams that a route names, and in which field. */
function namedIn(record: RouteRecord | StreamRouteRecord): Array<[field: string, name: string]> {
  const { upstream, split = [] } = record
  const mirror = 'mirror' in record ? record.mirror : undefined
  return [
    ...(upstream === undefined ? [] : [['upstream', upstream] as [string, string]]),
    ...split.map((arm, i): [string, string] => [`split[${i}].upstream`, arm.upstream]),
    ...(mirror === undefined ? [] : [['mirror.upstream', mirror.upstream] as [string, string]]),
  ]
}

/** Upstreams as they will be when the draft is written. */
class UpstreamNames {
  readonly #world: World
  readonly #byKey: ReadonlyMap<string, Write>
  /** Upstreams that get an instance. */
  readonly #filled: ReadonlySet<string>
  readonly #hints = new Map<string, string>()
  #compared = 0

  constructor(writes: readonly Write[], world: World) {
    this.#world = world
    this.#byKey = new Map(writes.map((write) => [write.key, write]))
    this.#filled = new Set(writes.flatMap(upstreamFilledBy))
  }

  warningsFor(field: string, name: string): Warning[] {
    if (this.#isThere(name)) {
      return []
    }
    const message = `there is no upstream ${name} yet, so this is answered 503${this.#hintFor(name)}`
    return [{ code: 'upstream_unknown', field, message }]
  }

  #hintFor(name: string): string {
    const known = this.#hints.get(name)
    const names = this.#world.desired().upstreams
    if (known !== undefined || this.#compared + names.size > MOST_COMPARED) {
      return known ?? ''
    }
    this.#compared += names.size
    const close = nearest(name, names.keys())
    const hint = close === undefined ? '' : `; did you mean ${close}?`
    this.#hints.set(name, hint)
    return hint
  }

  hasInstances(name: string): boolean {
    const stored = this.#world.desired().upstreams.get(name)?.instances.keys() ?? []
    for (const id of stored) {
      const write = this.#byKey.get(printKey({ kind: 'instances', upstream: name, id }))
      if (write === undefined || write.record !== undefined) {
        return true
      }
    }
    return this.#filled.has(name)
  }

  #isThere(name: string): boolean {
    const key = printKey({ kind: 'upstreams', upstream: name })
    const write = this.#byKey.get(key)
    const hasRecord =
      write === undefined ? this.#world.desired().upstreams.has(name) : write.record !== undefined
    return hasRecord || this.hasInstances(name)
  }
}

function upstreamFilledBy({ key, record }: Write): string[] {
  const parsed = parseKey(key)
  const isPut = parsed?.kind === 'instances' && record !== undefined && !isLeaving(record)
  return isPut ? [parsed.upstream] : []
}
