/**
 * Whose the records are that an agent writes, and whether labels could have asked for them. An
 * agent that was taken over, or whoever has its token, does no more than an agent does.
 */
import { isName } from '../../../contract/guard/names.js'
import { isObject } from '../../../contract/guard/guarded.js'
import { parseKey } from '../../../contract/keys.js'
import { ACME_PREFIX, isWithin } from '../../../contract/table/host-record.js'
import { agentRoutePrefix } from '../../../runtime/agent-routes.js'
import { SluiceError } from '../../../runtime/errors.js'
import type { Registry, RegistryOperation } from '../../../registry/registry.js'
import { settingsRefusal } from './settings-owner.js'

/** What labels of any tool, and sources, can say of a route and of an upstream. */
const ROUTE_FIELDS = new Set(
  (
    'hosts pathPrefix upstream rewrite port protocol sni methods headers arguments ' +
    'redirect upstreamHost requestHeaders responseHeaders'
  ).split(' '),
)
const UPSTREAM_FIELDS = new Set(['protocol', 'policy', 'tls', 'dns'])
const POLICY_FIELDS = new Set('balance hash check sticky retry eject slowStartMs'.split(' '))
/** Never to another host. */
const REDIRECT_FIELDS = new Set(['scheme', 'port', 'status'])
/** No name or certificate: the gateway's own is not for labels to show. */
const TLS_FIELDS = new Set(['verify'])
/** No port, host or header: an agent's instances alone are asked, as clients ask them. */
const CHECK_FIELDS = new Set(
  'type path method statuses intervalMs timeoutMs rise fall jitterPercent initial'.split(' '),
)

type Fields = Record<string, unknown>
type Source = Pick<Registry, 'get' | 'list'>

interface Claim {
  agent: string
  operations: RegistryOperation[]
  registry: Source
}

/** The agent's id that a call names. Throws `invalid` where it names none. */
export function agentOf(header: unknown): string {
  if (isName(header)) {
    return header
  }
  throw new SluiceError('invalid', 'the header X-Sluice-Agent must name the agent', {
    field: 'agent',
  })
}

/**
 * Rejects with `forbidden`, naming the field, when an operation is not this agent's to do:
 * another's instance or route, an instance without a lease, what no label can ask for. The
 * operations were checked before (guardOperations).
 */
export async function confine(
  agent: string,
  operations: RegistryOperation[],
  registry: Source,
): Promise<void> {
  for (const [i, operation] of operations.entries()) {
    const refusal = await refusalOf(operation, { agent, operations, registry })
    if (refusal !== undefined) {
      const at = `operations[${i}]`
      const message = `${at}: agent ${agent} may not ${operation.type} ${operation.key}: ${refusal}`
      throw new SluiceError('forbidden', message, { field: `${at}.key` })
    }
  }
}

async function refusalOf(operation: RegistryOperation, claim: Claim): Promise<string | undefined> {
  const key = parseKey(operation.key)
  switch (key?.kind) {
    case 'hosts':
      return key.id === claim.agent ? undefined : 'it is of another agent'
    case 'upstreams':
      return upstreamRefusal(operation, claim)
    case 'instances':
      return instanceRefusal(operation, claim)
    case 'routes':
      return key.id.startsWith(agentRoutePrefix(claim.agent))
        ? ownRouteRefusal(operation)
        : takeoverRefusal(operation, claim)
    case 'certificates':
    case 'gateways':
    case 'overrides':
    case 'presence':
    case 'secrets':
    case 'agents':
    case 'owners':
    case undefined:
      return 'agents do not write it'
  }
}

async function upstreamRefusal(
  operation: RegistryOperation,
  { agent, registry }: Claim,
): Promise<string | undefined> {
  const unsaid = operation.type === 'put' ? unsaidOfUpstream(read(operation.value)) : undefined
  return unsaid ?? settingsRefusal(operation, agent, registry)
}

async function instanceRefusal(
  operation: RegistryOperation,
  { agent, registry }: Claim,
): Promise<string | undefined> {
  const { entry } = await registry.get(operation.key)
  if (entry !== undefined && read(entry.value).agent !== agent) {
    return 'it is not its own'
  }
  if (operation.type === 'delete') {
    return undefined
  }
  if (read(operation.value).agent !== agent) {
    return 'its field agent names another'
  }
  return operation.lease === undefined ? 'it needs the agent’s lease' : undefined
}

function ownRouteRefusal(operation: RegistryOperation): string | undefined {
  return operation.type === 'delete' ? undefined : unsaidOfRoute(read(operation.value))
}

/** A host that two agents want goes from one to the other, who deletes what it saw there. */
async function takeoverRefusal(
  operation: RegistryOperation,
  { agent, operations, registry }: Claim,
): Promise<string | undefined> {
  const refusal = 'it is of another agent'
  if (operation.type === 'put' || operation.ifRevision === undefined) {
    return refusal
  }
  const prefix = `routes/${agentRoutePrefix(agent)}`
  const { entries } = await registry.list(prefix)
  const puts = operations.flatMap((each) => (each.type === 'put' ? [each] : []))
  const own = [...entries, ...puts.filter(({ key }) => key.startsWith(prefix))]
  const { entry } = await registry.get(operation.key)
  const isWanted = own.some(({ value }) => placeIn(value) === placeIn(entry?.value ?? '{}'))
  return entry === undefined || isWanted ? undefined : refusal
}

function placeIn(value: string): string {
  const { hosts, pathPrefix = '/', protocol, port } = read(value)
  return JSON.stringify([hosts, pathPrefix, protocol, port])
}

function unsaidOfUpstream(record: Fields): string | undefined {
  const policy = isObject(record.policy) ? record.policy : {}
  const check = isObject(policy.check) ? policy.check : {}
  const tls = isObject(record.tls) ? record.tls : {}
  return (
    unsaid(record, UPSTREAM_FIELDS) ??
    unsaid(policy, POLICY_FIELDS) ??
    unsaid(check, CHECK_FIELDS) ??
    unsaid(tls, TLS_FIELDS)
  )
}

function unsaidOfRoute(route: Fields): string | undefined {
  const { hosts, pathPrefix = '/' } = route
  if (Array.isArray(hosts) && hosts.includes('*')) {
    return 'no label can ask for every host'
  }
  if (Array.isArray(hosts) && isWithin(String(pathPrefix), ACME_PREFIX)) {
    return 'no label can ask for certificate challenges'
  }
  const redirect = isObject(route.redirect) ? route.redirect : {}
  return unsaid(route, ROUTE_FIELDS) ?? unsaid(redirect, REDIRECT_FIELDS)
}

function unsaid(record: Fields, fields: ReadonlySet<string>): string | undefined {
  const extra = Object.keys(record).find((field) => !fields.has(field))
  return extra === undefined ? undefined : `no label can ask for its field ${extra}`
}

function read(value: string): Fields {
  try {
    const record: unknown = JSON.parse(value)
    return isObject(record) ? record : {}
  } catch {
    // What nobody can read is nobody's.
    return {}
  }
}
