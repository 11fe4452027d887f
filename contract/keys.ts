/**
 * Where each record stands in the registry: `/sluice/v1/<cluster>/<kind>/…`. Names pass their
 * guard before a key is built, so a key is always taken apart the way it was put together.
 */
import { isInstanceId, isName } from './guard/names.js'

/**
 * What each key is of. `hosts/<id>` is an agent that lives, `agents/<id>` what it proves its id by;
 * `gateways/<id>` is a gateway, `presence/<id>` its controller that lives; `owners/<upstream>` says
 * which agent put the upstream's settings.
 */
export type RecordKey =
  | { kind: 'upstreams'; upstream: string }
  | { kind: 'instances'; upstream: string; id: string }
  | { kind: 'overrides'; upstream: string; id: string }
  | { kind: 'routes'; id: string }
  | { kind: 'certificates'; id: string }
  | { kind: 'hosts'; id: string }
  | { kind: 'gateways'; id: string }
  | { kind: 'presence'; id: string }
  | { kind: 'secrets'; id: string }
  | { kind: 'agents'; id: string }
  | { kind: 'owners'; id: string }

/**
 * What the ids of routes begin with that agents keep; an agent writes no others, and people should
 * not.
 */
export const AGENT_ROUTES = 'agent-'

/** `/sluice/v1/main/` */
export function clusterPrefix(cluster: string): string {
  return '/sluice/v1/' + cluster + '/'
}

/**
 * `{kind: 'instances', upstream: 'web', id: 'a'}` → `instances/web/a`, below the cluster's prefix.
 */
export function printKey(key: RecordKey): string {
  switch (key.kind) {
    case 'upstreams':
      return 'upstreams/' + key.upstream
    case 'instances':
    case 'overrides':
      return key.kind + '/' + key.upstream + '/' + key.id
    case 'routes':
    case 'certificates':
    case 'hosts':
    case 'gateways':
    case 'presence':
    case 'secrets':
    case 'agents':
    case 'owners':
      return key.kind + '/' + key.id
  }
}

type IdKind = Exclude<RecordKey, { upstream: string }>['kind']

function isIdKind(kind: string): kind is IdKind {
  return (
    kind === 'routes' ||
    kind === 'certificates' ||
    kind === 'hosts' ||
    kind === 'gateways' ||
    kind === 'presence' ||
    kind === 'secrets' ||
    kind === 'agents' ||
    kind === 'owners'
  )
}

/** The inverse of {@link printKey}; null when the text is no key of ours. */
export function parseKey(text: string): RecordKey | null {
  const parts = text.split('/')
  const kind = parts[0] as string
  const first = parts[1]
  if (!isName(first)) {
    return null
  }
  if (kind === 'instances' || kind === 'overrides') {
    const id = parts[2]
    return parts.length === 3 && isInstanceId(id) ? { kind: kind, upstream: first, id: id } : null
  }
  if (parts.length !== 2) {
    return null
  }
  if (kind === 'upstreams') {
    return { kind: kind, upstream: first }
  }
  return isIdKind(kind) ? { kind: kind, id: first } : null
}
