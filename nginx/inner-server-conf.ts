/** `hop-headers.conf`: what makes a server an inner one, of the hop or of the fallback. */
import { ACCEL_HEADERS, otherSpellings } from '../contract/guard/header-names.js'
import { CONNECTION_ZONE } from '../contract/table/zones.js'
import { ACCEL_HEADER, PEER_HEADER, PICK_HEADER } from '../contract/servers.js'
import type { ConfSettings } from './conf-settings.js'
import { passesHints, passesTrailers } from './versions.js'

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

/** `pick`: what an inner server is asked; an instance is told nothing of it. */
export function sentHeaders(pick: string): string[] {
  return [
    'proxy_set_header Host $sluice_host;',
    'proxy_set_header Upgrade $sluice_hop_upgrade;',
    'proxy_set_header Connection $sluice_hop_connection;',
    'proxy_set_header TE $http_te;',
    `proxy_set_header ${PICK_HEADER} ${pick};`,
    `proxy_set_header ${ACCEL_HEADER} "";`,
  ]
}

const HEADERS = `proxy_http_version 1.1;
${sentHeaders('""').join('\n')}
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
