/** Routes as the outside sees them. contract/record/route.ts judges. */
import { Type } from 'typebox'
import { actionFields } from './action.js'
import { SourceSchema, givenCookie, whole } from './policy.js'
import { NameSchema, Port, Revision, changed } from './common.js'
import { closed, maybe, named, words } from './shape.js'

const ValueConditions = Type.Record(
  Type.String(),
  Type.Union([Type.String({ minLength: 1, maxLength: 256 }), Type.Literal(true)]),
  { description: 'By name: an exact value, or true where any will do', minProperties: 1 },
)
const conditionFields = {
  methods: maybe(Type.Array(Type.String({ examples: ['GET'] }), { minItems: 1, maxItems: 16 })),
  headers: maybe(ValueConditions),
  cookies: maybe(ValueConditions),
  arguments: maybe(ValueConditions),
}
const matchFields = {
  hosts: maybe(
    Type.Array(Type.String({ examples: ['app.example.com', '*.example.com'] }), {
      minItems: 1,
      maxItems: 256,
      description:
        'Exact, *.example.com, .example.com (both of these), www.example.*, or * for any',
    }),
  ),
  port: maybe(
    Type.Integer({
      ...Port,
      description: 'One of streamPorts; then protocol or sni, and no hosts',
    }),
  ),
  protocol: maybe(words('tcp', 'udp')),
  sni: maybe(
    Type.Array(Type.String({ examples: ['db.example.com', '*.example.com'] }), {
      minItems: 1,
      maxItems: 256,
      description:
        'TLS to the HTTPS port, or to port, that asks for one of these names is passed through',
    }),
  ),
  proxyProtocol: maybe(
    Type.Enum(['v1'], { description: 'Of a connection: how instances learn who comes' }),
  ),
  pathPrefix: maybe(Type.String({ default: '/' })),
  ...conditionFields,
}
const Split = Type.Array(
  Type.Object(
    {
      upstream: NameSchema,
      where: maybe(
        Type.Record(Type.String(), Type.String({ maxLength: 256 }), {
          minProperties: 1,
          description: 'Only those of its instances whose metadata is so',
        }),
      ),
      weight: maybe(
        whole(0, 1000, { description: 'From 1; beside when from 0, the default there' }),
      ),
      when: maybe(
        Type.Object(conditionFields, {
          ...closed,
          description: 'Whoever meets all of it goes there, whatever the weights',
        }),
      ),
    },
    closed,
  ),
  { minItems: 1, maxItems: 16 },
)
const Seed = Type.String({
  pattern: '^[A-Za-z0-9_.-]{1,64}$',
  description: "Deals clients out in another way; absent: the route's id",
})
const Stick = Type.Union([
  Type.Object({ by: Type.Literal('hash'), key: SourceSchema, seed: maybe(Seed) }, closed),
  Type.Object(
    { by: Type.Literal('cookie'), ...givenCookie('sluice-arm'), seed: maybe(Seed) },
    closed,
  ),
])
const routeFields = {
  ...matchFields,
  upstream: maybe(NameSchema),
  split: maybe(Split),
  stick: maybe(Stick),
  ...actionFields,
}
export const RouteBody = Type.Object(routeFields, {
  ...named('RouteBody'),
  description:
    'Either hosts, or port and protocol, or sni; either upstream or split, or neither where the route answers by itself',
})

export const Routes = Type.Object(
  {
    revision: Revision,
    routes: Type.Array(Type.Object({ id: NameSchema, ...routeFields }, closed)),
  },
  named('RouteList'),
)
export const Route = Type.Object(
  { id: NameSchema, ...routeFields, revision: Revision },
  named('RouteAnswer'),
)
export const RouteChanged = Type.Object(
  { id: NameSchema, ...routeFields, ...changed },
  named('RouteChanged'),
)
