/** What stands in paths, queries and headers of the API's calls. */
import { Type } from 'typebox'
import { InstanceId, NameSchema } from './common.js'
import { closed, maybe, words } from './shape.js'

/** A text of a pattern, which an error says in words. */
const spelled = (pattern: string, expected: string, more: { description?: string } = {}) =>
  Type.String({ pattern, title: expected, ...more })

export const UpstreamParams = Type.Object({ upstream: NameSchema })

export const InstanceParams = Type.Object({ upstream: NameSchema, id: InstanceId })
export const IdParams = Type.Object({ id: NameSchema })

export const NoQuery = Type.Object({}, closed)
const Wait = maybe(
  Type.Enum(['none'], { description: 'Answer at once, not when every gateway has applied it' }),
)
const Flag = maybe(words('true', 'false', ''))
export const WaitQuery = Type.Object({ wait: Wait }, closed)

export const DeleteUpstreamQuery = Type.Object({ wait: Wait, force: Flag }, closed)
export const VerboseQuery = Type.Object({ verbose: Flag }, closed)

export const EventsQuery = Type.Object(
  { from: maybe(spelled('^\\d{1,15}$', 'a revision, such as 42')) },
  closed,
)
/** Its range is judged where it is asked for. */
export const PORT_EXPECTED = 'a port from 1 to 65535'
const HeaderLine = Type.String({ maxLength: 8192 })
export const ExplainQuery = Type.Object(
  {
    host: maybe(
      Type.String({ minLength: 1, maxLength: 300, description: 'Of a request; or sni, port' }),
    ),
    path: maybe(Type.String({ maxLength: 8192 })),
    method: maybe(Type.String({ maxLength: 32, default: 'GET' })),
    header: maybe(
      Type.Union([HeaderLine, Type.Array(HeaderLine, { maxItems: 64 })], {
        description: 'A line such as `X-Canary: always`; may be given several times',
      }),
    ),
    cookie: maybe(Type.String({ maxLength: 8192 })),
    address: maybe(Type.String({ maxLength: 64, description: "The client's" })),
    sni: maybe(
      Type.String({ minLength: 1, maxLength: 300, description: 'Of a TLS client; maybe at port' }),
    ),
    port: maybe(spelled('^[0-9]{1,5}$', PORT_EXPECTED, { description: 'Of a connection' })),
    protocol: maybe(words('tcp', 'udp')),
  },
  closed,
)

export const ChangeHeaders = Type.Object({
  'if-match': maybe(
    Type.String({
      description:
        '"<revision>": only if it did not change since; "0": only if new; *: only if there',
    }),
  ),
  'if-none-match': maybe(
    Type.String({ description: '*: only if new; "<revision>": only if it has another' }),
  ),
})
