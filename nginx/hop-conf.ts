/** The hop's server. */
import { ACCEL_HEADERS } from '../contract/guard/header-names.js'
import {
  ACCEL_HEADER,
  JUDGED_LOCATION,
  PEER_HEADER,
  PICK_HEADER,
  UNANSWERED_STATUS,
} from '../contract/servers.js'
import { accelVariable } from './accel-conf.js'
import { actLocations } from './act-conf.js'
import type { ConfSettings } from './conf-settings.js'
import { homePaths } from './home-paths.js'
import { PASSED_HEADERS, sentHeaders } from './inner-server-conf.js'
import { peerTlsOfServer } from './peer-tls-conf.js'
import { speaksH2 } from './versions.js'

/** How peers are reached: what the names of locations end in, and what stands in these. */
export interface PeerPass {
  suffix: string
  pass: string
}

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

/** `address`: the variable that has the peer's. */
export function peerPasses({ nginxVersion }: ConfSettings, address: string): PeerPass[] {
  const passes: PeerPass[] = [
    { suffix: '', pass: `proxy_pass http://${address};` },
    { suffix: '_tls', pass: `proxy_pass https://${address};` },
    // Whether certificates are verified is nothing that a variable can say.
    { suffix: '_tls_any', pass: `proxy_ssl_verify off; proxy_pass https://${address};` },
  ]
  const overH2 = passes.map(({ suffix, pass }) => ({
    suffix: `_h2${suffix}`,
    pass: `${H2} ${pass}`,
  }))
  return speaksH2(nginxVersion) ? [...passes, ...overH2] : passes
}

function tryLocations(settings: ConfSettings): string {
  return peerPasses(settings, '$sluice_peer')
    .map(
      ({ suffix, pass }) =>
        `    location @sluice_retry${suffix} { error_page 502 504 = $sluice_next_location; ${pass} }`,
    )
    .join('\n')
}

/**
 * By the judge: it says when the answer comes whether that is the client's, or another try follows.
 */
function judgedLocation({ home }: ConfSettings): string {
  return `    location ${JUDGED_LOCATION} {
        proxy_intercept_errors on;
        error_page ${UNANSWERED_STATUS} = $sluice_next_location;
        ${sentHeaders('$sluice_question').join('\n        ')}
        proxy_pass "http://unix:${homePaths(home).judgeSocket}";
    }`
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
        js_content sluice_hop.answerFailure;
    }

    location @sluice_fail {
        js_content sluice_hop.answerFailure;
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
    js_set $sluice_question sluice_hop.question nocache;
    add_header ${PEER_HEADER} $sluice_report always;
    add_header Set-Cookie $sluice_session_cookie always;
    add_header Set-Cookie $sluice_arm_cookie always;`
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

${peerTlsOfServer('proxy', settings)}

${settings.pool ? '' : ACCEL_HEADERS.map((name) => `    add_header ${name} ${accelVariable(name)} always;\n`).join('')}${LOCATIONS}
${tryLocations(settings)}
${judgedLocation(settings)}

${actLocations(PASSED_HEADERS)}
}${settings.hasStream ? `\n\n${preflightProxy(settings)}` : ''}`
}
