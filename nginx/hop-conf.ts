/** The hop's server, and what it has in common with the fallback's servers. */
import { ACCEL_HEADERS, otherSpellings } from '../contract/guard/header-names.js'
import { RETRY_STATUSES } from '../contract/table/rules.js'
import { ACCEL_HEADER, CONNECTION_ZONE, PEER_HEADER, PICK_HEADER } from '../contract/table/zones.js'
import { accelVariable } from './accel-conf.js'
import { actLocations } from './act-conf.js'
import type { ConfSettings } from './conf-settings.js'
import { homePaths } from './home-paths.js'
import {
  KEPT_CERTIFICATES,
  keepsCertificates,
  passesHints,
  passesTrailers,
  speaksH2,
} from './versions.js'

/** Headers of answers that an inner server passes on, although nginx keeps them back by default. */
export const PASSED_HEADERS = 'Date Server X-Pad'

/**
 * The hop's report is the hop's alone. `X_Sluice_Peer` is the same variable for nginx, but another
 * header to hide.
 */
export function hidden(module: 'proxy' | 'grpc'): string {
  const spelled = [PEER_HEADER, ...otherSpellings(PEER_HEADER)]
  return spelled.map((name) => `${module}_hide_header ${name};`).join('\n')
}

const SERVER = `# Nothing is picked or counted here.
set $sluice_sid '';
set $sluice_worker '';
access_log off;
gzip off;
expires off;
auth_basic off;
allow all;
limit_rate 0;
limit_conn ${CONNECTION_ZONE} 65535;
limit_conn_dry_run on;
limit_req_dry_run on;

ignore_invalid_headers off;
underscores_in_headers on;
large_client_header_buffers 8 64k;
client_max_body_size 0;
client_body_buffer_size 128k;
client_header_timeout 1d;
client_body_timeout 1d;
send_timeout 1d;
keepalive_requests 100000;
`

/**
 * Where there is a pool the front ignores what steers it, but in a user's locations. Else the front
 * heeds the hop, which keeps back what instances say.
 */
function passedHeaders(pool: boolean): string {
  const names = [...PASSED_HEADERS.split(' '), ...(pool ? ACCEL_HEADERS : [])]
  return names.map((name) => `proxy_pass_header ${name};`).join('\n')
}

const HEADERS = `proxy_http_version 1.1;
proxy_set_header Host $sluice_host;
proxy_set_header Upgrade $sluice_hop_upgrade;
proxy_set_header Connection $sluice_hop_connection;
proxy_set_header TE $http_te;
proxy_set_header ${PICK_HEADER} "";
proxy_set_header ${ACCEL_HEADER} "";
${hidden('proxy')}
proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering
                     X-Accel-Charset Expires Cache-Control Set-Cookie Vary;
`

const PROXY = `proxy_pass_request_headers on;
proxy_pass_request_body on;
proxy_redirect off;
proxy_cookie_domain off;
proxy_cookie_path off;
proxy_cookie_flags off;
proxy_force_ranges off;
proxy_limit_rate 0;
proxy_bind off;
proxy_cache off;
proxy_store off;
proxy_intercept_errors off;
proxy_ignore_client_abort off;
proxy_socket_keepalive on;
proxy_next_upstream error timeout;
proxy_next_upstream_tries 0;
proxy_next_upstream_timeout 0;
# All of a body is here before the first try, so a second one has all of it too.
proxy_request_buffering on;
# An answer leaves as it comes; the front buffers it if it was set to.
proxy_buffering off;
proxy_buffer_size 64k;
proxy_buffers 4 64k;
proxy_busy_buffers_size 128k;
proxy_send_timeout 1d;
proxy_read_timeout 1d;
`

/** The error log of an inner server names the client: what comes by a socket has no address. */
const REALIP = `set_real_ip_from unix:;
real_ip_header X-Real-IP;
`

/**
 * `hop-headers.conf`: makes a server an inner one, which passes everything on as it came. What
 * the user set in `http{}` for his own servers is set back here, and every time limit but that of
 * connecting is the front's to judge.
 */
export function hopHeadersConf(settings: ConfSettings): string {
  const { connectTimeoutMs, hasRealip, pool, nginxVersion } = settings
  const title = '# Sluice: for the servers behind the front. Not for servers of your own.'
  const connect = `proxy_connect_timeout ${connectTimeoutMs}ms;\n`
  const headers = HEADERS + passedHeaders(pool) + '\n'
  // Whether clients get these is the front's to say.
  const extras = [
    ...(passesHints(nginxVersion) ? ['early_hints 1;\n'] : []),
    ...(passesTrailers(nginxVersion) ? ['proxy_pass_trailers on;\n'] : []),
  ]
  const realip = hasRealip ? [REALIP] : []
  return [title, SERVER + extras.join(''), ...realip, headers, PROXY + connect].join('\n')
}

/** How peers are reached: what the names of locations end in, and what stands in these. */
const SUFFIXES: Array<[suffix: string, pass: string]> = [
  ['', 'proxy_pass http://$sluice_peer;'],
  ['_tls', 'proxy_pass https://$sluice_peer;'],
  // Whether certificates are verified is nothing that a variable can say.
  ['_tls_any', 'proxy_ssl_verify off; proxy_pass https://$sluice_peer;'],
]

/**
 * HTTP/2 knows neither `Upgrade` nor `Connection`: a peer ends a connection on which it is sent
 * one.
 */
const H2 =
  'proxy_http_version 2; proxy_set_header Host $sluice_host; proxy_set_header TE $http_te; ' +
  [
    'Upgrade',
    'Connection',
    'Proxy-Connection',
    'Keep-Alive',
    'HTTP2-Settings',
    PICK_HEADER,
    ACCEL_HEADER,
  ]
    .map((name) => `proxy_set_header ${name} "";`)
    .join(' ')

function suffixesOf({ nginxVersion }: ConfSettings): typeof SUFFIXES {
  const over = SUFFIXES.map(([suffix, pass]): (typeof SUFFIXES)[number] => [
    `_h2${suffix}`,
    `${H2} ${pass}`,
  ])
  return speaksH2(nginxVersion) ? [...SUFFIXES, ...over] : SUFFIXES
}

/**
 * One location for each set of statuses that a policy may have tried again: nginx looks for none
 * but those that it names.
 */
function tryLocations([suffix, pass]: (typeof SUFFIXES)[number]): string[] {
  const sets = Array.from({ length: 2 ** RETRY_STATUSES.length - 1 }, (_, i) => i + 1)
  const looks = sets.map((set) => {
    const statuses = RETRY_STATUSES.filter((_, bit) => (set >> bit) % 2 === 1)
    const caught = [...new Set([...statuses, 502, 504])].sort((a, b) => a - b).join(' ')
    return `location @sluice_retry_on_${set}${suffix} { proxy_intercept_errors on; error_page ${caught} = $sluice_next_location; ${pass} }`
  })
  return [
    `location @sluice_retry${suffix} { error_page 502 504 = $sluice_next_location; ${pass} }`,
    ...looks,
  ].map((location) => `    ${location}`)
}

const LOCATIONS = `    location / {
        if ($sluice_first_peer = "") {
            return 418;
        }
        error_page 418 = $sluice_location;
        error_page 502 504 = $sluice_next_location;
        proxy_pass http://$sluice_first_peer;
    }

    location @sluice_refuse {
        js_content sluice_hop.page;
    }

    location @sluice_fail {
        js_content sluice_hop.page;
    }`

/** Waits for stream{}'s server and says in a status what came of it. */
function preflightProxy({ home, connectTimeoutMs }: ConfSettings): string {
  const { acceptsSocket, preflightSocket } = homePaths(home)
  return `# Asks stream{} whether a peer takes connections.
server {
    listen "unix:${acceptsSocket}";
    access_log off;
    auth_basic off;
    allow all;
    location / {
        proxy_pass "http://unix:${preflightSocket}";
        proxy_set_header Connection "";
        proxy_read_timeout ${connectTimeoutMs + 1000}ms;
        proxy_buffering off;
    }
}`
}

/** What a server of the hop asks njs, and reports by headers. */
export function hopScript(includes: string): string {
  return `    js_import sluice_hop from "${includes}/njs/hop.js";
    js_set $sluice_first_peer sluice_hop;
    js_set $sluice_peer sluice_hop.peer nocache;
    js_set $sluice_next_location sluice_hop.next nocache;
    js_set $sluice_measured sluice_hop.measure nocache;
    add_header ${PEER_HEADER} "$sluice_report $upstream_addr" always;
    add_header Set-Cookie $sluice_session_cookie always;
    add_header Set-Cookie $sluice_arm_cookie always;`
}

/** How a module of nginx reaches peers that speak TLS. */
export function peerTls(module: 'proxy' | 'grpc', settings: ConfSettings): string {
  const { includes } = homePaths(settings.home)
  const lines = [
    'name $sluice_tls_name',
    'server_name on',
    'certificate $sluice_tls_certificate',
    'certificate_key $sluice_tls_certificate',
    ...(keepsCertificates(settings.nginxVersion) ? [`certificate_cache ${KEPT_CERTIFICATES}`] : []),
    'protocols TLSv1.2 TLSv1.3',
    `trusted_certificate "${includes}/trusted-ca.pem"`,
    'verify on',
    'verify_depth 10',
  ]
  return `    # A location that repeats none of these shares one TLS context with the server: the authorities are read once. The
    # certificate that is shown is chain and key in one text, or nothing: then none is.
${lines.map((line) => `    ${module}_ssl_${line};`).join('\n')}`
}

export function hopServer(settings: ConfSettings): string {
  const { home } = settings
  const { includes, hopSocket, againSocket, fallbackSocket } = homePaths(home)
  return `# Serves what the pool did not: tries the other peers, by address, or says why there is none.
server {
    listen "unix:${hopSocket}";
    listen "unix:${againSocket}";
    include "${includes}/hop-headers.conf";

${hopScript(includes)}
    js_var $sluice_fallback_socket "unix:${fallbackSocket}";
    recursive_error_pages on;

${peerTls('proxy', settings)}

${settings.pool ? '' : ACCEL_HEADERS.map((name) => `    add_header ${name} ${accelVariable(name)} always;\n`).join('')}${LOCATIONS}
${suffixesOf(settings).flatMap(tryLocations).join('\n')}

${actLocations(PASSED_HEADERS)}
}${settings.hasStream ? `\n\n${preflightProxy(settings)}` : ''}`
}
