/**
 * gRPC: where the front takes it, and the hop's server for it. Only nginx's grpc module passes it
 * on, over HTTP/2.
 */
import { READ_MS } from '../contract/record/route-limits.js'
import {
  GRPC_HOP,
  GRPC_POOL,
  GRPC_WAY,
  KEPT_LOCATION,
  PEER_HEADER,
  PICK_HEADER,
} from '../contract/servers.js'
import { CONNECTION_ZONE } from '../contract/table/zones.js'
import { hopScript } from './hop-conf.js'
import { PASSED_HEADERS, hidden } from './inner-server-conf.js'
import { unspelled } from './asked-host.js'
import { clientHeaders } from './forwarded.js'
import { routedLocations } from './front-conf.js'
import type { ConfSettings } from './conf-settings.js'
import { poolUpstream } from './pool-upstream.js'
import { homePaths } from './home-paths.js'
import { peerTlsOfServer } from './peer-tls-conf.js'
import { CALLS, callLimit } from './connection-limits.js'

/**
 * What nginx itself answers, as gRPC's own documents map it; the hop's answers are gRPC's
 * already.
 */
const STATUSES: Array<[grpc: number, message: string, http: number[]]> = [
  [4, 'No answer in time', [408, 504]],
  [7, 'Forbidden', [403]],
  [8, 'Too large', [413, 414]],
  [13, 'The gateway cannot take this call', [400, 405, 500]],
  [14, 'No answer', [429, 502, 503]],
  [16, 'Unauthenticated', [401]],
]

function statusLocation(
  [grpc, message]: (typeof STATUSES)[number],
  { http3 }: ConfSettings,
): string {
  return `location @sluice_grpc_${grpc} {
    default_type application/grpc;
    ${http3 ? 'add_header Alt-Svc $sluice_alt_svc always;\n    ' : ''}add_header grpc-status ${grpc};
    add_header grpc-message "${message}";
    return 200 "";
}`
}

/** HTTP/2 has no connections' headers (RFC 9113, 8.2.2); nginx leaves out the others by itself. */
const FOREIGN = ['Proxy-Connection', 'HTTP2-Settings']

function headers(settings: ConfSettings): string[] {
  const sent: Array<[name: string, value: string]> = [
    ...clientHeaders(settings),
    [PICK_HEADER, settings.pool ? '"$sluice_key $sluice_sid"' : '$sluice_key'],
  ]
  const names = sent.map(([name]) => name)
  const lines = [['Host', '$sluice_host'], ...sent, ...FOREIGN.map((name) => [name, '""'])]
  return [
    ...lines.map(([name, value]) => `grpc_set_header ${name} ${value};`),
    ...unspelled('grpc', names),
  ]
}

/** The front ends a silent call, so the hop does not. */
const PATIENCE = `grpc_read_timeout 1d;
    grpc_send_timeout 1d;`

/** A call lasts as long as its client wants, but for one that is silent too long. */
function idleLimits({ grpcIdleMs }: ConfSettings): string[] {
  const names = ['client_body_timeout', 'grpc_read_timeout', 'grpc_send_timeout']
  return names.map((name) => `${name} ${grpcIdleMs}ms;`)
}

/** What an instance may say before its messages; clients and servers of gRPC take less. */
const METADATA_BYTES = '64k'

/** What stands before all else in the location for any path. */
const FIRST = `if ($sluice_grpc) { error_page 418 = @sluice_grpc; return 418; }
    error_page 413 = @sluice_grpc_large;`

/**
 * nginx refuses a Content-Length above client_max_body_size when it finds the location of a path,
 * which is before it looks whether this is a call.
 */
const LARGE = `location @sluice_grpc_large {
    recursive_error_pages on;
    if ($sluice_grpc) { error_page 418 = @sluice_grpc_8; return 418; }
    return 413;
}`

/** How the front asks: its own pick where there is a pool, and else the hop. */
function picking(settings: ConfSettings): string[] {
  return settings.pool
    ? [
        'set $sluice_sid $sluice_grpc_sid;',
        'set $sluice_drawn $sluice_sid;',
        `limit_conn ${CONNECTION_ZONE} 65535;`,
        ...callLimit(settings),
        'grpc_next_upstream error timeout;',
        `grpc_connect_timeout ${settings.connectTimeoutMs}ms;`,
        `grpc_pass grpc://${GRPC_POOL};`,
      ]
    : [`grpc_pass grpc://${GRPC_HOP};`]
}

/**
 * Peers that take gRPC without TLS, as the pool has others: nginx goes on to the hop by its own
 * rules, with all of a call's body, as long as nothing of it was sent.
 */
function grpcPool(settings: ConfSettings): string {
  const hop = `server "unix:${homePaths(settings.home).grpcSocket}" backup max_fails=0`
  const at = { name: GRPC_POOL, part: 'g0', zone: '16m', sid: '$sluice_sid', keepalive: 256 }
  return `map "$sluice_sid$sluice_onward" $sluice_grpc_sid { default ''; ${KEPT_LOCATION}${GRPC_WAY} $sluice_kept_sid; }
${poolUpstream(settings, { ...at, more: [`${hop} weight=1000000;`, `${hop};`] })}`
}

/**
 * `grpc.conf`: `server.conf` for a server with `http2 on`. To distinguish the two costs every
 * request of the server, so it is a file of its own.
 */
export function grpcConf(settings: ConfSettings): string {
  const { includes } = homePaths(settings.home)
  const pages = STATUSES.map(
    ([grpc, , http]) => `error_page ${http.join(' ')} = @sluice_grpc_${grpc};`,
  )
  return `# Sluice: in place of server.conf, in a server{} with "http2 on"; gRPC is passed on too.
${routedLocations(settings, FIRST)}
location @sluice_grpc {
    set $sluice_key "@$host/$sluice_slot";
    client_max_body_size 0;
    ${idleLimits(settings).join('\n    ')}
    grpc_buffer_size ${METADATA_BYTES};
    recursive_error_pages on;
    ${pages.join('\n    ')}
    ${headers(settings).join('\n    ')}
    ${hidden('grpc').replaceAll('\n', '\n    ')}
    ${picking(settings).join('\n    ')}
}
${LARGE}
${STATUSES.map((each) => statusLocation(each, settings)).join('\n')}
include "${includes}/again.conf";
`
}

/**
 * How peers are reached: what the names of locations end in (njs/hop/begin.ts), and what stands
 * in these.
 */
const SUFFIXES = [
  ['', 'grpc_pass grpc://$sluice_peer;'],
  ['_tls', 'grpc_pass grpcs://$sluice_peer;'],
  ['_tls_any', 'grpc_ssl_verify off; grpc_pass grpcs://$sluice_peer;'],
]

/** What the front asks, and how it knows that it is to. */
function entrance(settings: ConfSettings): string {
  const { grpcSocket } = homePaths(settings.home)
  return `# gRPC comes by HTTP/2 alone.
map $server_protocol$http_content_type $sluice_grpc {
    default '';
    "~^HTTP/2\\.0application/grpc($|[+;])" 1;
}
${CALLS}
upstream ${GRPC_HOP} {
    server "unix:${grpcSocket}" max_fails=0;
    keepalive 64;
}${settings.pool ? `\n${grpcPool(settings)}` : ''}`
}

/** How the hop passes a call on: as it came. */
function passing(settings: ConfSettings): string {
  const { connectTimeoutMs } = settings
  const passed = PASSED_HEADERS.split(' ').map((name) => `    grpc_pass_header ${name};`)
  return `    ${PATIENCE}
    grpc_connect_timeout ${connectTimeoutMs}ms;
    grpc_next_upstream off;
    grpc_intercept_errors off;
    grpc_buffer_size ${METADATA_BYTES};
    grpc_socket_keepalive on;
    grpc_set_header Host $sluice_host;
    grpc_set_header ${PICK_HEADER} "";
    ${FOREIGN.map((name) => `grpc_set_header ${name} "";`).join(' ')}
    ${hidden('grpc')}
${passed.join('\n')}
    grpc_ignore_headers X-Accel-Redirect X-Accel-Charset;
${peerTlsOfServer('grpc', settings)}`
}

/** For routes that act: they ask the hop once more. */
function actLocation(readMs: number, limited: string): string {
  const limit = `grpc_read_timeout ${readMs}ms; error_page 504 = @sluice_too_slow;`
  const passed = `${PASSED_HEADERS} ${PEER_HEADER}`
    .split(' ')
    .map((name) => `grpc_pass_header ${name};`)
  return `    location @sluice_act_${readMs} {
        auth_request off;
        ${limited}
        add_header ${PEER_HEADER} "";
        add_header Set-Cookie $sluice_arm_cookie always;
        js_header_filter sluice_hop.editAnswer;
        ${readMs === 0 ? '' : limit}
        ${passed.join(' ')}
        rewrite ^ $sluice_act_target break;
        grpc_set_header Host $sluice_act_host;
        grpc_set_header ${PICK_HEADER} $sluice_act_pick;
        ${FOREIGN.map((name) => `grpc_set_header ${name} "";`).join(' ')}
        grpc_pass grpc://${GRPC_HOP};
    }`
}

/**
 * nginx begins to pass a call on before it has its body, and reads no more of that for a second
 * location than it had read for the first. So stream{}, where there is one, is asked first
 * whether the peer takes connections at all.
 */
function preflight({ home, connectTimeoutMs }: ConfSettings): string {
  return `    auth_request sluice_preflight;
    location = sluice_preflight {
        internal;
        auth_request off;
        if ($sluice_preflight_peer = "") {
            return 204;
        }
        proxy_pass_request_headers off;
        proxy_pass_request_body off;
        proxy_method GET;
        proxy_set_header Connection "";
        proxy_read_timeout ${connectTimeoutMs + 1000}ms;
        error_page 502 504 = @sluice_not_accepted;
        proxy_pass "http://unix:${homePaths(home).preflightSocket}:/$sluice_preflight_peer";
    }
    location @sluice_not_accepted { return 403; }`
}

/**
 * What is answered without an instance: by nginx at once, for njs would read the whole call first,
 * which may never end. njs says what the answer is.
 */
function answerLocation(name: string, handler: string): string {
  return `    location @sluice_${name} {
        auth_request off;
        default_type application/grpc;
        js_header_filter sluice_hop.${handler};
        return 200 "";
    }`
}

/** Of a full worker; an instance's own 503 is not looked at. */
const FULL = `    location @sluice_full {
        auth_request off;
        default_type application/grpc;
        add_header grpc-status 14;
        add_header grpc-message "The gateway has too many calls";
        return 200 "";
    }`

function locations(settings: ConfSettings): string[] {
  const limited = [
    'error_page 503 = @sluice_full;',
    // The server's own limit is a dry run, which keeps limits of the user's out.
    'limit_conn_dry_run off;',
    ...callLimit(settings),
  ].join(' ')
  const next = `error_page 403 502 504 = $sluice_next_location; ${limited}`
  return [
    `    location / {
        if ($sluice_first_peer = "") {
            return 418;
        }
        error_page 418 = $sluice_location;
        ${next}
        grpc_pass grpc://$sluice_first_peer;
    }`,
    ...SUFFIXES.map(([way, pass]) => `    location @sluice_retry${way} { ${next} ${pass} }`),
    answerLocation('refuse', 'answerFailure'),
    answerLocation('fail', 'answerFailure'),
    answerLocation('reply', 'reply'),
    answerLocation('too_slow', 'tooSlow'),
    FULL,
    ...[0, ...READ_MS].map((readMs) => actLocation(readMs, limited)),
  ]
}

/** The hop's server for gRPC. */
export function grpcHop(settings: ConfSettings): string {
  const { includes, grpcSocket } = homePaths(settings.home)
  return `${entrance(settings)}
server {
    listen "unix:${grpcSocket}";
    http2 on;
    include "${includes}/hop-headers.conf";
${hopScript(includes)}
    recursive_error_pages on;

${passing(settings)}

${[...(settings.hasStream ? [preflight(settings)] : []), ...locations(settings)].join('\n')}
}`
}
