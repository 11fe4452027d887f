/**
 * Shapes of the API's bodies and answers. The OpenAPI document is made of them, and a test compares
 * the answers.
 */
import { Type } from 'typebox'
import type { TSchema } from 'typebox'
import { CODES } from '../../../contract/codes.js'
import { PeerProtocol, PeerTlsAnswer, PeerTlsBody, PolicyAnswer, PolicyBody } from './policy.js'
import { DnsNames, DnsNameStates } from './dns.js'
import { PartPatch } from './policy.js'
import { closed, maybe, named, words } from './shape.js'

export const nullable = (schema: TSchema) => Type.Union([schema, Type.Null()])

export const NameSchema = Type.String({
  pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
  examples: ['web'],
})
export const InstanceId = Type.String({ pattern: '^[A-Za-z0-9_.:-]{1,128}$', examples: ['web-1'] })
const Host = Type.String({ description: 'An IP address literal', examples: ['10.0.0.7'] })
export const Port = Type.Integer({ minimum: 1, maximum: 65535 })

const Weight = Type.Integer({ minimum: 1, maximum: 1000, default: 1 })
const Metadata = Type.Record(Type.String(), Type.String({ maxLength: 256 }))
const Ttl = Type.Integer({ minimum: 1000, maximum: 86_400_000 })
export const Revision = Type.Integer({ minimum: 0, description: "The registry's revision" })
const State = words('up', 'draining', 'down')
const MaxConns = Type.Integer({
  minimum: 1,
  maximum: 65_535,
  description: 'At most so many requests at a time, over all workers of a gateway',
})
const Backup = Type.Literal(true, { description: 'Serves only while no other instance does' })
const Zone = Type.String({ ...NameSchema, description: 'A gateway of the same zone asks it first' })
const Reason = Type.String({ maxLength: 200 })
export const Count = Type.Integer({ minimum: 0 })

export const UpstreamBody = Type.Object(
  {
    ...{ policy: maybe(PolicyBody), tls: maybe(PeerTlsBody), protocol: maybe(PeerProtocol) },
    dns: maybe(DnsNames),
  },
  named('UpstreamBody'),
)
export const UpstreamPatch = Type.Object(
  {
    policy: maybe(PartPatch),
    tls: maybe(PartPatch),
    protocol: maybe(Type.Union([Type.Null(), PeerProtocol])),
    dns: maybe(Type.Union([Type.Null(), DnsNames])),
  },
  named('UpstreamPatch'),
)
export const InstanceBody = Type.Object(
  {
    ...{ host: Host, port: Port, weight: maybe(Weight) },
    ...{ maxConns: maybe(MaxConns), backup: maybe(Backup), zone: maybe(Zone) },
    ...{ metadata: maybe(Metadata), ttlMs: maybe(Ttl) },
  },
  named('InstanceBody'),
)
export const InstancePatch = Type.Object(
  {
    host: maybe(Host),
    port: maybe(Port),
    weight: maybe(nullable(Weight)),
    maxConns: maybe(nullable(MaxConns)),
    backup: maybe(nullable(Backup)),
    zone: maybe(nullable(Zone)),
    metadata: maybe(nullable(Type.Record(Type.String(), nullable(Type.String())))),
    ttlMs: maybe(nullable(Ttl)),
  },
  { ...named('InstancePatch'), description: 'A merge patch (RFC 7396): null removes a field' },
)
/** The longest that a drain may wait, in milliseconds. */
export const MOST_WAIT_MS = 600_000

export const DrainBody = Type.Object(
  {
    waitMs: maybe(Type.Integer({ minimum: 0, maximum: MOST_WAIT_MS, default: 0 })),
    reason: maybe(Reason),
  },
  named('DrainBody'),
)
export const UndrainBody = Type.Object({}, closed)

const warnings = maybe(
  Type.Array(
    Type.Object(
      { code: Type.String(), field: Type.String(), message: Type.String() },
      named('Warning'),
    ),
    { description: 'What looks like a typing error; the change was made all the same' },
  ),
)

/**
 * Of every change. `pending` names the gateways that had not applied it when this was answered,
 * `reasons` why, where that is known.
 */
export const changed = {
  applied: Type.Boolean(),
  revision: Revision,
  pending: maybe(Type.Array(Type.String())),
  reasons: maybe(
    Type.Record(
      Type.String(),
      Type.Object({ code: Type.String(), message: Type.String() }, closed),
      { description: 'What keeps a pending gateway from applying it, by its id' },
    ),
  ),
  warnings,
}

export const instanceFields = {
  id: InstanceId,
  host: Host,
  port: Port,
  weight: Weight,
  state: State,
  reason: maybe(Type.String()),
  maxConns: maybe(MaxConns),
  backup: maybe(Backup),
  zone: maybe(Zone),
  metadata: maybe(Metadata),
  ttlMs: maybe(Ttl),
  agent: maybe(Type.String()),
  dns: maybe(Type.String({ description: 'The name of DNS that it comes from' })),
}
const active = nullable(
  Type.Integer({ minimum: 0, description: 'Requests in flight; null when it is not known' }),
)
const Instance = Type.Object({ ...instanceFields, active }, named('Instance'))
const upstreamFields = {
  ...{ name: NameSchema, policy: PolicyAnswer },
  ...{ tls: maybe(PeerTlsAnswer), protocol: maybe(PeerProtocol), dns: maybe(DnsNames) },
}
/** How it is served; of a gateway without lanes it is absent. */
const lane = maybe(
  Type.Object(
    {
      state: words('open', 'closed', 'none'),
      reason: maybe(Type.String({ description: 'Why it is not open' })),
      sinceAtMs: Type.Integer({ description: 'Unix milliseconds' }),
    },
    {
      ...named('Lane'),
      description:
        "Of this controller's own gateway. open: nginx serves it alone; closed: the table does, " +
        'for now; none: the table does, until the upstream or nginx is another. ' +
        'Absent where nginx is left to choose nothing by itself',
    },
  ),
)
const upstreamCounts = { up: Count, draining: Count, down: Count }

export const Upstreams = Type.Object(
  {
    revision: Revision,
    upstreams: Type.Array(Type.Object({ ...upstreamFields, ...upstreamCounts, lane }, closed)),
  },
  named('UpstreamList'),
)
export const Upstream = Type.Object(
  {
    ...{ ...upstreamFields, lane, revision: Revision, instances: Type.Array(Instance) },
    dnsNames: maybe(DnsNameStates),
  },
  named('Upstream'),
)
export const InstanceAnswer = Type.Object(
  { ...instanceFields, active, revision: Revision },
  named('InstanceAnswer'),
)

export const UpstreamChanged = Type.Object(
  { ...upstreamFields, ...changed },
  named('UpstreamChanged'),
)

export const InstanceChanged = Type.Object(
  { ...instanceFields, ...changed },
  named('InstanceChanged'),
)

export const Deleted = Type.Object(changed, named('Deleted'))

export const Drained = Type.Object(
  {
    ...{ state: State, active, drained: Type.Boolean() },
    notDrained: maybe(
      Type.Array(
        Type.Object({ gateway: Type.String(), active, reason: maybe(Type.String()) }, closed),
        { description: 'The gateways at which requests are in flight, or that have not said' },
      ),
    ),
    ...changed,
  },
  named('Drained'),
)
export const Undrained = Type.Object({ state: State, ...changed }, named('Undrained'))

export const BatchBody = Type.Object(
  {
    operations: Type.Array(
      Type.Object(
        {
          method: words('PUT', 'PATCH', 'DELETE', 'POST'),
          path: Type.String({ maxLength: 1000, examples: ['/v1/upstreams/web/instances/web-1'] }),
          body: maybe(Type.Unknown()),
          ifMatch: maybe(
            Type.Union([Count, Type.String({ pattern: '^("\\d{1,15}"|\\d{1,15})$' })], {
              title: 'a revision, such as 42 or "42"',
            }),
          ),
        },
        closed,
      ),
      { minItems: 1, maxItems: 10_000 },
    ),
    dryRun: maybe(Type.Boolean({ default: false })),
  },
  named('BatchBody'),
)
const Difference = Type.Object(
  {
    operation: Type.Integer({ minimum: 0, description: 'Which operation did it' }),
    op: words('create', 'update', 'delete'),
    kind: words('upstream', 'instance', 'override', 'route', 'certificate'),
    upstream: maybe(NameSchema),
    id: maybe(Type.String()),
    before: Type.Unknown({ description: 'null: it was not there' }),
    after: Type.Unknown({ description: 'null: it is not there any more' }),
  },
  named('Difference'),
)
const BatchChanged = Type.Object({ changes: Count, ...changed }, named('BatchChanged'))

const BatchRehearsed = Type.Object(
  { dryRun: Type.Literal(true), revision: Revision, changes: Type.Array(Difference), warnings },
  named('BatchRehearsed'),
)
export const BatchAnswer = Type.Union([BatchChanged, BatchRehearsed])

export const ProblemBody = Type.Object(
  {
    type: Type.String({ examples: ['urn:sluice:problem:invalid'] }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: words(...Object.keys(CODES)),
    field: maybe(Type.String({ examples: ['weight', 'operations[3].body.port'] })),
    instance: maybe(Type.String()),
    requestId: maybe(Type.String()),
  },
  named('Problem'),
)
