/** The data of server-sent events: one shape for each type. */
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { CURES } from '../../findings/codes.js'
import type { ControllerEvent } from '../../views.js'
import { NameSchema, Revision } from './common.js'
import { maybe, named, words } from './shape.js'

const Change = Type.Object(
  {
    ...{ type: Type.Literal('change'), revision: Revision },
    kind: words('upstream', 'instance', 'route', 'certificate'),
    upstream: maybe(NameSchema),
    id: maybe(Type.String()),
    state: Type.String({ examples: ['up', 'draining', 'deleted'] }),
  },
  named('ChangeEvent'),
)
const Health = Type.Object(
  {
    ...{ type: Type.Literal('health'), revision: Revision },
    ...{ upstream: NameSchema, id: Type.String() },
    state: Type.String({ description: "As this controller's own gateway has it now" }),
    reason: maybe(Type.String()),
  },
  named('HealthEvent'),
)
const Gateway = Type.Object(
  {
    ...{ type: Type.Literal('gateway'), revision: Revision },
    ...{ id: Type.String(), applied: Revision, connected: Type.Boolean() },
  },
  named('GatewayEvent'),
)
const Registry = Type.Object(
  {
    ...{ type: Type.Literal('registry'), revision: Revision },
    ...{ connected: Type.Boolean(), reason: maybe(Type.String()) },
  },
  named('RegistryEvent'),
)
const Suspect = Type.Object(
  {
    ...{ type: Type.Literal('suspect'), revision: Revision, upstream: NameSchema },
    ...{ instances: Type.Array(Type.String()), reason: Type.String() },
  },
  named('SuspectEvent'),
)
const Finding = Type.Object(
  {
    ...{ type: Type.Literal('finding'), revision: Revision },
    code: words(...Object.keys(CURES)),
    subject: maybe(Type.String()),
    state: words('begun', 'ended'),
    message: Type.String(),
  },
  named('FindingEvent'),
)
const Reset = Type.Object(
  { type: Type.Literal('reset'), revision: Revision },
  { ...named('ResetEvent'), description: 'Some events are not known any more: read all anew' },
)

export const EventSchema = Type.Union([Change, Health, Gateway, Registry, Suspect, Finding, Reset])

type Shown = Static<typeof EventSchema>['type']
// An event without a schema does not compile.
void (true satisfies [ControllerEvent['type']] extends [Shown] ? true : never)
