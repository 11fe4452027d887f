/**
 * The calls that change one thing each: which method and path, what it is about, and what it means
 * in the registry. Single calls and the operations of a batch both go by this table.
 */
import { SluiceError } from '../../../runtime/errors.js'
import type { Role } from '../http/auth.js'
import type { ChangeCall, Outcome, World } from './change-call.js'
import { putCertificate } from './certificates.js'
import { deleteRecord } from './delete-record.js'
import type { Draft } from './draft.js'
import { drainInstance, undrainInstance } from './drain.js'
import { deleteInstance, patchInstance, putInstance } from './instances.js'
import { putRoute } from './routes.js'
import { idTarget, instanceTarget, upstreamTarget } from './targets.js'
import type { CallTarget } from './targets.js'
import { deleteUpstream, patchUpstream, putUpstream } from './upstreams.js'

/** What stands in the path. */
export interface PathNames {
  upstream?: string
  id?: string
}

type Method = 'PUT' | 'PATCH' | 'DELETE' | 'POST'

export interface CallRow {
  operationId: string
  method: Method
  /** `/v1/upstreams/:upstream` */
  pattern: string
  role: Role
  /** Throws `invalid` for a name that is none. */
  target: (names: PathNames) => CallTarget
  /** Lays what the call means over the draft. */
  plan(draft: Draft, world: World, call: ChangeCall): Promise<Outcome>
}

const UPSTREAM = '/v1/upstreams/:upstream'
const INSTANCE = `${UPSTREAM}/instances/:id`
const ROUTE = '/v1/routes/:id'
const CERTIFICATE = '/v1/certificates/:id'

const upstream = (names: PathNames) => upstreamTarget(names.upstream)
const instance = (names: PathNames) => instanceTarget('instance', names.upstream, names.id)
const drain = (names: PathNames) => instanceTarget('drain', names.upstream, names.id)
const undrain = (names: PathNames) => instanceTarget('undrain', names.upstream, names.id)
const route = (names: PathNames) => idTarget('route', names.id)
const certificate = (names: PathNames) => idTarget('certificate', names.id)

type Plan<T> = (draft: Draft, world: World, target: T, call: ChangeCall) => Promise<Outcome>

/** `plan` is given the target that `target` made of this row's own path. */
function row<T extends CallTarget>(
  operationId: string,
  method: Method,
  pattern: string,
  target: (names: PathNames) => T,
  plan: Plan<T>,
): CallRow {
  const whole = (draft: Draft, world: World, call: ChangeCall) =>
    plan(draft, world, call.target as T, call)
  return { operationId, method, pattern, role: 'operate', target, plan: whole }
}

const CALLS: readonly CallRow[] = [
  row('putUpstream', 'PUT', UPSTREAM, upstream, (draft, world, target, { body }) =>
    putUpstream(draft, world, target, body),
  ),
  row('patchUpstream', 'PATCH', UPSTREAM, upstream, (draft, world, target, { body }) =>
    patchUpstream(draft, world, target, body),
  ),
  row('deleteUpstream', 'DELETE', UPSTREAM, upstream, (draft, _world, target, { body, force }) =>
    deleteUpstream(draft, target, body, force === true),
  ),
  row('putInstance', 'PUT', INSTANCE, instance, (draft, world, target, { body }) =>
    putInstance(draft, world, target, body),
  ),
  row('patchInstance', 'PATCH', INSTANCE, instance, (draft, world, target, { body }) =>
    patchInstance(draft, world, target, body),
  ),
  row('deleteInstance', 'DELETE', INSTANCE, instance, (draft, world, target, { body }) =>
    deleteInstance(draft, world, target, body),
  ),
  row('drainInstance', 'POST', `${INSTANCE}/drain`, drain, (draft, world, target, { body }) =>
    drainInstance(draft, world, target, body),
  ),
  row('undrainInstance', 'POST', `${INSTANCE}/undrain`, undrain, (draft, world, target, { body }) =>
    undrainInstance(draft, world, target, body),
  ),
  row('putRoute', 'PUT', ROUTE, route, (draft, world, target, { body }) =>
    putRoute(draft, world, target, body),
  ),
  row('deleteRoute', 'DELETE', ROUTE, route, (draft, _world, target, { body }) =>
    deleteRecord(draft, target, body),
  ),
  row('putCertificate', 'PUT', CERTIFICATE, certificate, (draft, world, target, { body }) =>
    putCertificate(draft, world, target, body),
  ),
  row('deleteCertificate', 'DELETE', CERTIFICATE, certificate, (draft, _world, target, { body }) =>
    deleteRecord(draft, target, body),
  ),
]

/** The row of an operation id; a name that no row has is a mistake of ours. */
export function callRow(operationId: string): CallRow {
  const found = CALLS.find((each) => each.operationId === operationId)
  if (found === undefined) {
    throw new SluiceError('internal', `no call is named ${operationId}`)
  }
  return found
}

/**
 * `PUT /v1/upstreams/web?force=true` → its row, what it is about, and its query. Throws `not_found`
 * for a path that no row has, `method_not_allowed` for a method that its path does not take,
 * `invalid` for a name that is none.
 */
export function findCall(
  method: string,
  path: string,
): { row: CallRow; target: CallTarget; query: URLSearchParams } {
  const [pathname = '', search = ''] = path.split('?', 2)
  const parts = decoded(pathname)
  const sameMethod = (each: CallRow) => each.method === method
  const fitting = CALLS.filter(({ pattern }) => namesIn(pattern, parts) !== undefined)
  const [any] = fitting
  if (any === undefined) {
    const shown = JSON.stringify(pathname.slice(0, 300))
    throw new SluiceError('not_found', `no call has the path ${shown}`)
  }
  const target = any.target(namesIn(any.pattern, parts) ?? {})
  const found = fitting.find(sameMethod)
  if (found === undefined) {
    throw new SluiceError('method_not_allowed', `${method} does not fit the path`)
  }
  return { row: found, target, query: new URLSearchParams(search) }
}

function namesIn(pattern: string, parts: string[]): PathNames | undefined {
  const wanted = pattern.split('/')
  const names: Record<string, string> = {}
  const fits = wanted.every((part, i) => {
    const given = parts[i]
    if (part.startsWith(':') && given !== undefined) {
      names[part.slice(1)] = given
      return true
    }
    return part === given
  })
  return fits && wanted.length === parts.length ? names : undefined
}

function decoded(pathname: string): string[] {
  try {
    return pathname.split('/').map(decodeURIComponent)
  } catch {
    throw new SluiceError('invalid', 'the path is not a valid URL')
  }
}
