/** Shapes of what is reported of the running system: gateways, suspects, explanations, health. */
import { Type } from 'typebox'
import { CURES } from '../../findings/codes.js'
import { actionFields } from './action.js'
import { Soonest } from './certificate.js'
import { DnsNames } from './dns.js'
import { PeerProtocol, PeerTlsAnswer, PolicyAnswer } from './policy.js'
import { Count, NameSchema, Revision, instanceFields, nullable } from './common.js'
import { closed, maybe, named, words } from './shape.js'

const ArmWeight = Type.Integer({ minimum: 0, maximum: 1000 })
const gatewayFields = {
  id: Type.String(),
  applied: Revision,
  desired: Revision,
  lagMs: Type.Number({ minimum: 0 }),
  connected: Type.Boolean(),
  sinceAtMs: maybe(
    Type.Integer({ description: 'Unix milliseconds since which `connected` is as it is' }),
  ),
  workers: Count,
  nginx: Type.String(),
  njs: Type.String(),
  nginxFetchedAtMs: maybe(
    Type.Integer({
      description: 'Unix milliseconds at which Sluice fetched that nginx; absent for others',
    }),
  ),
  stream: maybe(
    Type.Object(
      {
        ports: Type.String({ description: 'Open for routes', examples: ['9100-9104 9106'] }),
        tuned: Type.String({
          description: 'Those of them whose routes may have timeouts and proxyProtocol',
        }),
        passthrough: Type.Boolean({
          description: 'Whether TLS to the HTTPS port is passed through by name',
        }),
        connected: Type.Boolean(),
        reason: maybe(Type.String()),
      },
      { ...closed, description: "Of this controller's own gateway: TCP, UDP and TLS by name" },
    ),
  ),
  reason: maybe(Type.String()),
  code: maybe(Type.String()),
}
const Gateway = Type.Object(gatewayFields, named('Gateway'))
const Condition = Type.Object(
  { state: words('up', 'down'), reason: Type.String() },
  named('Condition'),
)
const conditions = Type.Record(Type.String(), Condition, {
  description: 'What the gateway itself found out about instances, by upstream/id',
})
export const GatewaysAnswer = Type.Object(
  {
    revision: Revision,
    gateways: Type.Array(Type.Object({ ...gatewayFields, conditions }, closed)),
  },
  named('GatewayList'),
)

export const Forgotten = Type.Object({ forgotten: Type.String() }, named('Forgotten'))

const Suspect = Type.Object(
  {
    upstream: Type.String(),
    instances: Type.Array(Type.String()),
    reason: Type.String(),
    sinceAtMs: Type.Number(),
    untilAtMs: Type.Number(),
  },
  named('Suspect'),
)
export const SuspectsAnswer = Type.Object(
  { revision: Revision, suspects: Type.Array(Suspect) },
  named('SuspectList'),
)
export const ConfirmBody = Type.Object({ upstream: maybe(NameSchema) }, named('ConfirmBody'))
export const Confirmed = Type.Object({ confirmed: Type.Array(Suspect) }, named('Confirmed'))

const ExplainedPeer = Type.Object(
  {
    ...instanceFields,
    upstream: NameSchema,
    share: Type.Number({ minimum: 0, maximum: 1, description: 'Of all requests like this one' }),
  },
  named('ExplainedPeer'),
)
const ExplainedGateway = Type.Object(
  {
    ...{ id: Type.String(), applied: Revision, desired: Revision, connected: Type.Boolean() },
    current: Type.Boolean({ description: 'It surely does as explained' }),
    reason: maybe(Type.String()),
    down: Type.Record(Type.String(), Type.String(), {
      description: 'Instances that are down for this gateway, by upstream/id, and why',
    }),
  },
  named('ExplainedGateway'),
)
export const Explained = Type.Object(
  {
    revision: Revision,
    host: maybe(Type.String({ description: 'With path, of a request' })),
    path: maybe(Type.String()),
    sni: maybe(Type.String({ description: 'Of a connection' })),
    port: maybe(Type.Integer({ description: 'With protocol, of a connection' })),
    protocol: maybe(Type.String()),
    outcome: words('served', 'answered', 'terminated', 'no_route', 'no_peer'),
    why: Type.Array(Type.String()),
    route: nullable(
      Type.Object(
        {
          ...{
            id: nullable(NameSchema),
            host: maybe(Type.String()),
            pathPrefix: maybe(Type.String()),
          },
          ...{ sni: maybe(Type.String()), port: maybe(Type.Integer()) },
          ...actionFields,
        },
        closed,
      ),
    ),
    lane: maybe(
      Type.Object(
        { state: words('open', 'closed', 'none'), reason: maybe(Type.String()) },
        { ...closed, description: "Whether nginx alone serves it, at this controller's gateway" },
      ),
    ),
    upstreams: Type.Array(
      Type.Object(
        {
          ...{
            name: NameSchema,
            where: maybe(Type.Record(Type.String(), Type.String())),
            weight: ArmWeight,
            share: Type.Number(),
          },
          ...{ policy: maybe(PolicyAnswer), tls: maybe(PeerTlsAnswer) },
          ...{ protocol: maybe(PeerProtocol), dns: maybe(DnsNames) },
        },
        closed,
      ),
    ),
    peers: Type.Array(ExplainedPeer),
    applied: Type.Boolean({ description: 'Every gateway surely does as explained' }),
    gateways: Type.Array(ExplainedGateway),
  },
  named('Explanation'),
)

const Finding = Type.Object(
  {
    code: words(...Object.keys(CURES)),
    subject: maybe(Type.String({ description: 'What it is about', examples: ['web'] })),
    sinceAtMs: Type.Number({ description: 'Unix milliseconds' }),
    message: Type.String({ description: 'What is so, and what it means for requests' }),
    cure: Type.String({ description: 'What to do about it' }),
  },
  named('Finding'),
)
const verdict = {
  well: Type.Boolean({ description: 'Ready, and nothing is wrong' }),
  findings: Type.Array(Finding, { description: 'What is wrong, the longest first' }),
}
const AgentSource = Type.Object(
  {
    agent: Type.String(),
    name: Type.String({ description: 'files, consul, …' }),
    address: Type.String(),
    instances: Count,
    refused: Type.Integer({ minimum: 0, description: 'Entries that are not used' }),
    refusal: maybe(Type.String({ description: 'The first of these, and why' })),
    away: maybe(
      Type.Object(
        {
          reason: Type.String(),
          sinceAtMs: Type.Integer(),
          isDoubted: maybe(Type.Literal(true, { description: 'It is read, and not believed' })),
        },
        { ...closed, description: 'It cannot be read: what is registered from it stays' },
      ),
    ),
  },
  closed,
)

export const Status = Type.Object(
  {
    ...verdict,
    ready: Type.Boolean({ description: 'The gateway may serve' }),
    reason: maybe(Type.String({ description: 'Why it is not ready' })),
    revision: Revision,
    sources: maybe(
      Type.Array(AgentSource, { description: 'What agents follow besides their engines' }),
    ),
    lanes: maybe(
      Type.Object(
        {
          ...{ open: Count, closed: Count, none: Count },
          written: Type.Boolean({
            description: 'The configuration that nginx takes when it is reloaded has all of them',
          }),
        },
        {
          ...closed,
          description:
            "How many upstreams are served how, at this controller's own gateway; " +
            'absent where nginx is left to choose nothing by itself',
        },
      ),
    ),
  },
  named('Status'),
)

export const Alive = Type.Object({ status: Type.Literal('ok') }, named('Alive'))
export const Ready = Type.Object(
  {
    ready: Type.Literal(true),
    well: maybe(verdict.well),
    findings: maybe(verdict.findings),
    revision: maybe(Revision),
    registry: maybe(
      Type.Object(
        {
          kind: Type.String(),
          connected: Type.Boolean(),
          syncedAtMs: nullable(Type.Number()),
        },
        closed,
      ),
    ),
    gateways: maybe(Type.Array(Gateway)),
    suspects: maybe(Count),
    certificates: maybe(Soonest),
  },
  named('Ready'),
)
