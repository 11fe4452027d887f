/** A route's actions in requests and answers. Their guard is in contract/record/route-action.ts. */
import { Type } from 'typebox'
import { READ_MS } from '../../../contract/record/route-limits.js'
import { IDLE_MS } from '../../../contract/record/tuning.js'
import { maybe, named } from './shape.js'

const Prefix = Type.String({ examples: ['/', '/v2'] })
const Rewrite = Type.Object(
  { stripPrefix: maybe(Type.Literal(true)), replacePrefix: maybe(Prefix) },
  {
    ...named('Rewrite'),
    minProperties: 1,
    maxProperties: 1,
    description: "What becomes of the route's own path prefix; the rest stays byte for byte",
  },
)
const Redirect = Type.Object(
  {
    scheme: maybe(Type.Enum(['http', 'https'])),
    host: maybe(Type.String({ examples: ['app.example.com'] })),
    port: maybe(Type.Integer({ minimum: 1, maximum: 65_535 })),
    path: maybe(Type.String({ examples: ['/moved'] })),
    replacePrefix: maybe(Prefix),
    status: maybe(Type.Enum([301, 302, 303, 307, 308], { default: 302 })),
  },
  {
    ...named('Redirect'),
    description: 'Where a request is there already, the upstream serves it, if the route has one',
  },
)
const page = {
  contentType: maybe(Type.String({ default: 'text/html; charset=utf-8' })),
  body: maybe(Type.String({ maxLength: 16_384 })),
}
const PageStatus = { minimum: 200, maximum: 599 }
const ErrorPage = Type.Object(
  {
    ...page,
    status: maybe(Type.Integer({ ...PageStatus, description: 'As the one it stands for' })),
    intercept: maybe(
      Type.Boolean({ default: false, description: 'In place of the upstream’s own answers, too' }),
    ),
  },
  named('ErrorPage'),
)
const ErrorPages = Type.Record(Type.String({ pattern: '^[45]\\d\\d$' }), ErrorPage, {
  description: 'By status, in place of what Sluice answers itself: 404, 411, 413, 502, 503, 504',
  minProperties: 1,
})
const Page = Type.Object(
  { ...page, status: maybe(Type.Integer({ ...PageStatus, default: 503 })) },
  { ...named('Page'), description: 'While it is there, it answers in place of the upstream' },
)

const HeaderValues = Type.Record(
  Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }),
  Type.String({ minLength: 1, maxLength: 1024 }),
)
const Headers = Type.Object(
  {
    set: maybe(HeaderValues),
    add: maybe(HeaderValues),
    remove: maybe(Type.Array(Type.String(), { maxItems: 32 })),
  },
  named('HeaderChanges'),
)
const Timeouts = Type.Object(
  {
    readMs: maybe(Type.Enum(READ_MS, { description: "The upstream's longest silence, then 504" })),
    idleMs: maybe(
      Type.Enum(IDLE_MS, {
        description: 'Of a connection: the longest silence, then it is closed',
      }),
    ),
  },
  { ...named('Timeouts'), description: 'Of a route by hosts readMs, of one by port or sni idleMs' },
)
const Mirror = Type.Object(
  {
    upstream: Type.String({ examples: ['web-next'] }),
    percent: maybe(Type.Integer({ minimum: 1, maximum: 100, default: 100 })),
  },
  {
    ...named('Mirror'),
    description: 'So many requests are sent there too; what comes of it no client sees',
  },
)

export const actionFields = {
  requestHeaders: maybe(Headers),
  responseHeaders: maybe(Headers),
  timeouts: maybe(Timeouts),
  maxBodyBytes: maybe(Type.Integer({ minimum: 0 })),
  buffering: maybe(
    Type.Boolean({ description: 'Whether answers are collected before they go to a slow client' }),
  ),
  mirror: maybe(Mirror),
  upgrade: maybe(
    Type.Array(Type.String({ examples: ['websocket', 'h2c'] }), {
      maxItems: 8,
      description: 'Protocols that clients may change to; WebSocket alone if left out',
    }),
  ),
  rewrite: maybe(Rewrite),
  upstreamHost: maybe(Type.String({ examples: ['internal.example:8080'] })),
  redirect: maybe(Redirect),
  maintenance: maybe(Page),
  pages: maybe(ErrorPages),
}
