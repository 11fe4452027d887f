/**
 * Every error code that leaves a Sluice process, with its HTTP status and one line of meaning.
 * Codes never change.
 */
export const CODES = {
  invalid: { status: 400, title: 'The input is not valid' },
  unauthorized: { status: 401, title: 'A valid token is needed' },
  forbidden: { status: 403, title: 'This caller may not do that' },
  not_found: { status: 404, title: 'There is no such thing' },
  method_not_allowed: { status: 405, title: 'The method does not fit the path' },
  conflict: { status: 409, title: 'The change contradicts what is there' },
  not_empty: { status: 409, title: 'The upstream still has instances' },
  stale_epoch: { status: 409, title: 'A newer controller owns this gateway' },
  revision_gap: { status: 409, title: 'The delta does not start where the gateway is' },
  changed: { status: 412, title: 'It changed since the revision given' },
  too_large: { status: 413, title: 'The body is too large' },
  headers_too_large: { status: 431, title: 'The header of the request is too large' },
  request_timeout: { status: 408, title: 'The request took too long to come' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json' },
  too_many: { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'An unexpected error; see the log' },
  registry_unavailable: { status: 503, title: 'The registry cannot be reached' },
  gateway_unavailable: { status: 503, title: 'The gateway cannot be reached' },
  table_full: { status: 507, title: 'The table is full' },
  no_route: { status: 404, title: 'No route for this host and path' },
  unclear_path: { status: 400, title: 'The path can be read in two ways' },
  no_peer: { status: 503, title: 'No instance is up' },
  not_grpc: { status: 415, title: 'The upstream does not speak gRPC' },
  only_grpc: { status: 415, title: 'The upstream speaks gRPC, and nothing else' },
  no_h2: { status: 502, title: 'The gateway cannot speak HTTP/2 to instances' },
  not_for_grpc: { status: 501, title: 'The route does something that gRPC does not support' },
  maintenance: { status: 503, title: 'The route is under maintenance' },
  length_required: { status: 411, title: 'The body needs a Content-Length' },
  too_slow: { status: 504, title: 'The upstream was silent for too long' },
  upstream_full: {
    status: 503,
    title: 'Every instance has as many requests as its maxConns allows',
  },
  all_failed: { status: 502, title: 'No instance answered' },
} as const

export type Code = keyof typeof CODES
