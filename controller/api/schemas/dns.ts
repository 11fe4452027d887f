/** Shapes of the names of DNS that an upstream has instances from. */
import { Type } from 'typebox'
import { closed, maybe, named, words } from './shape.js'

const label = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?'
const NameOfDns = {
  pattern: `^(?!\\d+(\\.\\d+){3}$)${label}(\\.${label})*\\.?$`,
  maxLength: 254,
}
const Ipv6 = Type.Boolean({ default: false, description: 'Whether AAAA records count, too' })

const DnsHostBody = Type.Object(
  {
    name: Type.String({ ...NameOfDns, examples: ['web.internal'] }),
    port: Type.Integer({ minimum: 1, maximum: 65_535 }),
    ipv6: maybe(Ipv6),
    weight: maybe(Type.Integer({ minimum: 1, maximum: 1000, default: 1 })),
  },
  { ...closed, description: 'Every address of the name is an instance' },
)
const DnsServiceBody = Type.Object(
  {
    srv: Type.String({ ...NameOfDns, examples: ['_http._tcp.web.internal'] }),
    ipv6: maybe(Ipv6),
  },
  { ...closed, description: 'Every target of the SRV records is an instance' },
)
export const DnsNames = Type.Array(Type.Union([DnsHostBody, DnsServiceBody]), {
  minItems: 1,
  maxItems: 16,
  description: 'What these names answer are instances, asked for again as their TTL says',
})

const DnsNameState = Type.Object(
  {
    name: Type.String(),
    type: words('A', 'AAAA', 'SRV'),
    state: words('unasked', 'good', 'empty', 'failed'),
    records: Type.Integer({ minimum: 0, description: 'As many were good last, and serve' }),
    reason: maybe(Type.String({ description: 'Why it is not good, or what may not serve' })),
    sinceAtMs: maybe(Type.Integer({ description: 'Unix milliseconds since which it is not good' })),
    answeredAtMs: maybe(Type.Integer({ description: 'Unix milliseconds of the last good answer' })),
  },
  named('DnsNameState'),
)
export const DnsNameStates = Type.Array(DnsNameState, {
  description: 'How the names in dns stand at the controller that answers',
})
