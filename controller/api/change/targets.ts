/**
 * The things that calls are about, taken from a path; every name is checked before it becomes part
 * of a key.
 */
import { printKey } from '../../../contract/keys.js'
import { NAME_RULE, isInstanceId, isName } from '../../../contract/guard/names.js'
import { SluiceError } from '../../../runtime/errors.js'

export type CallTarget =
  | { kind: 'upstream'; upstream: string }
  | { kind: 'instance' | 'drain' | 'undrain'; upstream: string; id: string }
  | { kind: 'route'; id: string }
  | { kind: 'certificate'; id: string }

const ID_RULE = 'must be 1 to 128 characters of A-Z a-z 0-9 _ . : -'

export function upstreamTarget(upstream: unknown): CallTarget & { kind: 'upstream' } {
  return { kind: 'upstream', upstream: guardName(upstream, 'upstream') }
}

export function instanceTarget<K extends 'instance' | 'drain' | 'undrain'>(
  kind: K,
  upstream: unknown,
  id: unknown,
): { kind: K; upstream: string; id: string } {
  const name = guardName(upstream, 'upstream')
  if (!isInstanceId(id)) {
    throw new SluiceError('invalid', `the instance's id ${ID_RULE}`, { field: 'id' })
  }
  return { kind, upstream: name, id }
}

export function idTarget<K extends 'route' | 'certificate'>(
  kind: K,
  id: unknown,
): { kind: K; id: string } {
  if (!isName(id)) {
    throw new SluiceError('invalid', `the ${kind}'s id ${NAME_RULE}`, { field: 'id' })
  }
  return { kind, id }
}

export function guardName(value: unknown, field: string): string {
  if (!isName(value)) {
    throw new SluiceError('invalid', `the name of the ${field} ${NAME_RULE}`, { field })
  }
  return value
}

/** What a person would call it: `instance a of upstream web`. */
export function printTarget(target: CallTarget): string {
  switch (target.kind) {
    case 'upstream':
      return `upstream ${target.upstream}`
    case 'route':
    case 'certificate':
      return `${target.kind} ${target.id}`
    case 'instance':
    case 'drain':
    case 'undrain':
      return `instance ${target.id} of upstream ${target.upstream}`
  }
}

/** The registry's keys that a call to this target reads in any case. */
export function keysOf(target: CallTarget): string[] {
  switch (target.kind) {
    case 'upstream':
      return [printKey({ kind: 'upstreams', upstream: target.upstream })]
    case 'route':
      return [printKey({ kind: 'routes', id: target.id })]
    case 'certificate':
      return [printKey({ kind: 'certificates', id: target.id })]
    case 'instance':
    case 'drain':
    case 'undrain':
      return [instanceKey(target), overrideKey(target)]
  }
}

export function instanceKey({ upstream, id }: { upstream: string; id: string }): string {
  return printKey({ kind: 'instances', upstream, id })
}

export function overrideKey({ upstream, id }: { upstream: string; id: string }): string {
  return printKey({ kind: 'overrides', upstream, id })
}
