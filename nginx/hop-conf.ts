/** The hop's server. */
import { ACCEL_HEADERS } from '../contract/guard/header-names.js'
import { RETRY_STATUSES } from '../contract/table/rules.js'
import { ACCEL_HEADER, PEER_HEADER, PICK_HEADER } from '../contract/table/zones.js'
import { accelVariable } from './accel-conf.js'
import { actLocations } from './act-conf.js'
import type { ConfSettings } from './conf-settings.js'
import { homePaths } from './home-paths.js'
import { PASSED_HEADERS } from './inner-server-conf.js'
import { CERTIFICATE_CACHE, cachesCertificates, speaksH2 } from './versions.js'

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
    ...(cachesCertificates(settings.nginxVersion)
      ? [`certificate_cache ${CERTIFICATE_CACHE}`]
      : []),
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
