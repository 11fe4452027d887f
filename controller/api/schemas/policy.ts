/**
 * A policy in requests, and in answers with its defaults. Its guard is in
 * contract/record/policy.ts.
 */
import { Type } from 'typebox'
import type { Static, TProperties } from 'typebox'
import { DEFAULT_EJECT, DEFAULT_RETRY } from '../../../contract/record/policy.js'
import type { PeerTls } from '../../../contract/record/peer-tls.js'
import type { Policy } from '../../../contract/record/policy.js'
import { RETRY_STATUSES } from '../../../contract/record/retry-statuses.js'
import { closed, maybe, named } from './shape.js'

export const whole = (
  minimum: number,
  maximum: number,
  more: { default?: number; description?: string } = {},
) => Type.Integer({ minimum, maximum, ...more })
const flag = (value: boolean) => Type.Boolean({ default: value })

export const SourceSchema = Type.String({
  pattern: '^(address|uri|(header|cookie|argument):[A-Za-z0-9_-]{1,64})$',
  examples: ['address', 'uri', 'header:x-user', 'cookie:user', 'argument:id'],
})
const Balance = Type.Enum(
  ['random', 'roundRobin', 'leastConn', 'randomTwo', 'leastTime', 'hash', 'ipHash'],
  { default: 'random' },
)
const Hash = Type.Object(
  {
    key: SourceSchema,
    loadPercent: maybe(
      whole(110, 1000, {
        description: 'No instance takes more than this share of the average load',
      }),
    ),
  },
  { ...named('HashPolicy'), description: 'With balance hash, and only with it' },
)

const cookieOf = (name: string) => ({
  name: Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$', default: name }),
  path: Type.String({ pattern: '^/[A-Za-z0-9_./~-]{0,255}$', default: '/' }),
  secure: flag(false),
  httpOnly: flag(true),
  sameSite: Type.Enum(['strict', 'lax', 'none'], { default: 'lax' }),
})
const ttlMs = maybe(
  whole(1000, 31_536_000_000, { description: 'Absent: until the browser is closed' }),
)
const cookieGiven = { ...cookieOf('sluice'), keepDraining: flag(false) }
const cookieFixed = { by: Type.Literal('cookie'), ttlMs }
/** As it is given: its fields have defaults. */
export function givenCookie(name: string) {
  return { ...Type.Partial(Type.Object(cookieOf(name))).properties, ttlMs }
}

const routeGiven = { keepDraining: flag(false) }
const routeFixed = { by: Type.Literal('route'), key: SourceSchema }
const retryGiven = {
  tries: whole(1, 8, { default: DEFAULT_RETRY.tries }),
  timeoutMs: whole(0, 600_000, { default: DEFAULT_RETRY.timeoutMs }),
  statuses: Type.Array(Type.Integer({ enum: RETRY_STATUSES }), { uniqueItems: true, default: [] }),
  nonIdempotent: flag(DEFAULT_RETRY.nonIdempotent),
}
const retryFixed = { budgetPercent: maybe(whole(1, 100)) }
const ejectGiven = {
  maxFails: whole(0, 1000, { default: DEFAULT_EJECT.maxFails, description: '0: never' }),
  failTimeoutMs: whole(100, 86_400_000, { default: DEFAULT_EJECT.failTimeoutMs }),
  mostPercent: whole(1, 100, { default: DEFAULT_EJECT.mostPercent }),
  panicPercent: whole(0, 99, { default: DEFAULT_EJECT.panicPercent }),
}
const ejectFixed = {
  errorPercent: maybe(whole(1, 100)),
  latencyPercent: maybe(whole(110, 10_000)),
}
const count = whole(1, 100)
const checkGiven = {
  intervalMs: whole(500, 3_600_000, { default: 5000 }),
  timeoutMs: whole(50, 60_000, { default: 2000, description: 'Not above intervalMs' }),
  rise: { ...count, default: 2 },
  fall: { ...count, default: 3 },
  jitterPercent: whole(0, 50, { default: 10 }),
  initial: Type.Enum(['up', 'down'], { default: 'up' }),
}
/** What fits which type is judged by contract/record/check-policy.ts. */
const checkFixed = {
  type: Type.Enum(['http', 'tcp', 'grpc']),
  port: maybe(whole(1, 65_535)),
  method: maybe(Type.String({ description: 'http: GET (default), HEAD, OPTIONS or POST' })),
  path: maybe(Type.String({ maxLength: 1024, description: 'http: / by default' })),
  headers: maybe(Type.Record(Type.String(), Type.String(), { description: 'http' })),
  statuses: maybe(Type.String({ description: 'http: 200-399 by default', examples: ['200,204'] })),
  body: maybe(Type.String({ maxLength: 1024, description: 'http: must be in the answer' })),
  host: maybe(Type.String({ description: 'http' })),
  tls: maybe(Type.Boolean({ description: 'http' })),
  service: maybe(Type.String({ description: 'grpc' })),
}
const common = {
  hash: maybe(Hash),
  slowStartMs: maybe(whole(0, 3_600_000)),

  zone: maybe(Type.Enum(['prefer', 'ignore'], { description: 'Absent: prefer' })),
}

/** Fields that have defaults need not be given. */
function given<A extends TProperties, B extends TProperties>(defaulted: A, fixed: B) {
  return Type.Object({ ...Type.Partial(Type.Object(defaulted)).properties, ...fixed }, closed)
}

function filled<A extends TProperties, B extends TProperties>(defaulted: A, fixed: B) {
  return Type.Object({ ...defaulted, ...fixed }, closed)
}

export const PolicyBody = Type.Object(
  {
    balance: maybe(Balance),
    ...common,
    sticky: maybe(Type.Union([given(cookieGiven, cookieFixed), given(routeGiven, routeFixed)])),
    retry: maybe(given(retryGiven, retryFixed)),
    eject: maybe(given(ejectGiven, ejectFixed)),
    check: maybe(given(checkGiven, checkFixed)),
  },
  named('PolicyBody'),
)

export const PolicyAnswer = Type.Object(
  {
    balance: Balance,
    ...common,
    sticky: maybe(Type.Union([filled(cookieGiven, cookieFixed), filled(routeGiven, routeFixed)])),
    retry: maybe(filled(retryGiven, retryFixed)),
    eject: maybe(filled(ejectGiven, ejectFixed)),
    check: maybe(filled(checkGiven, checkFixed)),
  },
  named('Policy'),
)

/** Optional fields as well: a type that lacks one is equal to nothing that has it. */
type Deep<T> = T extends unknown[] ? T : T extends object ? { [K in keyof T]-?: Deep<T[K]> } : T
type Equal<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never
// A field that only one of the two has, or of another type, does not compile.
void (true satisfies Equal<Deep<Static<typeof PolicyAnswer>>, Deep<Policy>>)

const peerTls = {
  serverName: maybe(
    Type.String({
      maxLength: 253,
      description: 'The name that instances are asked for, and their certificates verified for',
      examples: ['shop.internal'],
    }),
  ),
}
const certificate = maybe(
  Type.String({
    pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
    description: 'Id of the certificate that instances are shown; one with client: true',
    examples: ['gateway'],
  }),
)
const verify = Type.Boolean({
  default: true,
  description: 'Whether certificates must be for serverName, by an authority that is trusted',
})
const about = { description: 'Instances are reached over TLS; absent: without' }

export const PeerTlsBody = Type.Object(
  { ...peerTls, verify: maybe(verify), certificate },
  { ...named('PeerTlsBody'), ...about },
)
export const PeerTlsAnswer = Type.Object(
  { ...peerTls, verify, certificate },
  { ...named('PeerTls'), ...about },
)
void (true satisfies Equal<Deep<Static<typeof PeerTlsAnswer>>, Deep<PeerTls>>)

export const PeerProtocol = Type.Enum(['grpc', 'h2'], {
  description: 'What instances speak; absent: HTTP/1.1',
})

/** A merge patch (RFC 7396): null removes a part, or a field of it. The result is guarded whole. */
export const PartPatch = Type.Union([
  Type.Null(),
  Type.Record(Type.String(), Type.Unknown(), {
    description: 'Some of its fields; null removes one, so that its default holds again',
  }),
])
