/**
 * Directives of nginx's proxy and grpc modules in a user's own nginx.conf: which hold where a
 * request goes by the hop, and what takes the place of the others.
 */

export interface DirectiveGroup {
  /** What they say. */
  about: string
  /** Their names without the module's, such as `set_header`. */
  names: string[]
  /** Modules that have them. */
  modules: Array<'proxy' | 'grpc'>
  /** Where they do not hold by the hop: what to do instead. */
  instead?: string
}

const BOTH: DirectiveGroup['modules'] = ['proxy', 'grpc']
const PROXY: DirectiveGroup['modules'] = ['proxy']

/** What the front does itself, or the hop passes on. */
const HELD: DirectiveGroup[] = [
  { about: 'headers that instances are sent', names: ['set_header'], modules: BOTH },
  {
    about: 'what else instances are sent',
    names: ['method', 'set_body', 'pass_request_headers', 'pass_request_body'],
    modules: PROXY,
  },
  {
    about: 'which headers of answers are passed on',
    names: ['hide_header', 'pass_header', 'ignore_headers', 'intercept_errors'],
    modules: BOTH,
  },
  {
    about: 'what becomes of answers',
    names: ['redirect', 'cookie_domain', 'cookie_path', 'cookie_flags', 'force_ranges'],
    modules: PROXY,
  },
  { about: 'trailers of answers', names: ['pass_trailers'], modules: PROXY },
  { about: 'how long an answer may be silent', names: ['read_timeout'], modules: PROXY },
  { about: 'clients that leave', names: ['ignore_client_abort'], modules: PROXY },
  {
    about: 'connections: the hop has it always on',
    names: ['socket_keepalive'],
    modules: BOTH,
  },
  {
    about: 'buffers of answers',
    names: ['buffering', 'buffer_size', 'buffers', 'busy_buffers_size', 'limit_rate'],
    modules: PROXY,
  },
  {
    about: 'files of answers',
    names: ['max_temp_file_size', 'temp_file_write_size', 'temp_path', 'store', 'store_access'],
    modules: PROXY,
  },
  {
    about: 'cache',
    names: [
      'cache',
      'cache_background_update',
      'cache_bypass',
      'cache_convert_head',
      'cache_key',
      'cache_lock',
      'cache_lock_age',
      'cache_lock_timeout',
      'cache_max_range_offset',
      'cache_methods',
      'cache_min_uses',
      'cache_path',
      'cache_revalidate',
      'cache_use_stale',
      'cache_valid',
      'no_cache',
    ],
    modules: PROXY,
  },
  {
    about: 'sizes of tables in nginx',
    names: ['headers_hash_bucket_size', 'headers_hash_max_size'],
    modules: PROXY,
  },
  { about: 'nothing, on Linux', names: ['send_lowat'], modules: PROXY },
]

const LOST: DirectiveGroup[] = [
  {
    about: 'the address that connections come from',
    names: ['bind'],
    modules: BOTH,
    instead: 'leave it out, for with it these requests are answered 500',
  },
  {
    about: 'how long connecting may take',
    names: ['connect_timeout'],
    modules: BOTH,
    instead: 'nothing takes its place: an instance that does not accept in 2 s is left for another',
  },
  {
    about: 'the version of HTTP, but for 1.1',
    names: ['http_version'],
    modules: PROXY,
    instead: 'give the upstream a `protocol`',
  },
  {
    about: 'which tries follow one that failed',
    names: ['next_upstream', 'next_upstream_tries', 'next_upstream_timeout'],
    modules: BOTH,
    instead: 'give the upstream `retry` in its policy',
  },
  {
    about: 'whether a body is sent as it comes',
    names: ['request_buffering'],
    modules: PROXY,
    instead: 'nothing takes its place: there a body is read whole, so that another try has it too',
  },
  {
    about: 'how slowly an instance may read',
    names: ['send_timeout'],
    modules: PROXY,
    instead: '`proxy_read_timeout` counts from when the body is here',
  },
  {
    about: 'the sizes and times of gRPC',
    names: ['buffer_size', 'read_timeout', 'send_timeout'],
    modules: ['grpc'],
    instead: 'set `SLUICE_GRPC_IDLE`, or give a route `timeouts`; metadata may have 64 KB',
  },
  {
    about: 'TLS to instances',
    names: [
      'ssl_certificate',
      'ssl_certificate_cache',
      'ssl_certificate_key',
      'ssl_ciphers',
      'ssl_conf_command',
      'ssl_crl',
      'ssl_name',
      'ssl_password_file',
      'ssl_protocols',
      'ssl_server_name',
      'ssl_session_reuse',
      'ssl_trusted_certificate',
      'ssl_verify',
      'ssl_verify_depth',
    ],
    modules: BOTH,
    instead: 'give the upstream `tls`',
  },
]

/** The include has it, and nginx says so of a second one. */
const PASSING: DirectiveGroup = {
  about: 'where requests go',
  names: ['pass'],
  modules: BOTH,
  instead: 'the include has it',
}

export const DIRECTIVE_GROUPS: DirectiveGroup[] = [...HELD, ...LOST, PASSING]

export function namesOf({ names, modules }: DirectiveGroup): string[] {
  return modules.flatMap((module) => names.map((name) => `${module}_${name}`))
}

const INSTEAD = new Map(
  LOST.flatMap((group) => namesOf(group).map((name) => [name, group.instead ?? ''] as const)),
)

/** Headers that concern one connection; the hop's with an instance is another one. */
const OF_A_CONNECTION = /^(?:keep-alive|expect)$/i

/**
 * What to do instead of a directive that does not hold where a request goes by the hop; undefined
 * for one that does.
 */
export function insteadOf(name: string, [first = '']: string[]): string | undefined {
  if (name === 'proxy_http_version' && first === '1.1') {
    return undefined
  }
  if (name === 'proxy_set_header' && OF_A_CONNECTION.test(first)) {
    return 'nothing takes its place'
  }
  return INSTEAD.get(name)
}
