/**
 * The kept pool: connections to peers that are reached over TLS or HTTP/2, kept open as those of
 * the pool are; and the front's locations that ask it. nginx keeps connections by a peer's address
 * alone, whatever was verified when they were made, so the controller lets only one way of reaching
 * an address into this pool at a time (controller/pool/kept-ways.ts).
 */
import { CONNECTION_ZONE } from '../contract/table/zones.js'
import {
  ACCEL_HEADER,
  GRPC_WAY,
  HOP,
  KEPT_LOCATION,
  KEPT_POOL,
  PEER_HEADER,
  PICK_HEADER,
  SHOWN,
} from '../contract/servers.js'
import { ignoreAccel } from './accel-conf.js'
import { unspelled } from './asked-host.js'
import type { ConfSettings } from './conf-settings.js'
import { homePaths } from './home-paths.js'
import { indented } from './indented.js'
import { peerTls } from './peer-tls-conf.js'
import { peerHeaders } from './pool-pass.js'

/** A connection is made anew after this, so no way of reaching a peer outlives its end by more. */
const LIFETIME = ['keepalive_time 5m;', 'keepalive_timeout 30s;']

/** Without a backup: the hop speaks no TLS. */
export function keptPool({ poolPort }: ConfSettings): string {
  return `# Peers over TLS or HTTP/2, each in one way alone (controller/pool/kept-ways.ts).
upstream ${KEPT_POOL} {
    zone ${KEPT_POOL} 16m;
    resolver 127.0.0.1:${poolPort} ipv6=off;
    resolver_timeout 1s;
    server k0.pool.sluice service=_http._tcp resolve drain max_fails=0;
    sticky route $sluice_kept_sid;
    keepalive 256;
    ${LIFETIME.join('\n    ')}
}
# Behind the name stands a certificate's id, where one is shown.
map $sluice_tls_name $sluice_kept_name { volatile; default ''; "~^([^ ]*) " $1; }
# What was sent, and may not be sent twice, is lost; all else the hop tries again.
map "$request_method $upstream_bytes_sent" $sluice_kept_after {
    volatile;
    default ${AGAIN};
    "~^(POST|PATCH|LOCK) .*[1-9]" @sluice_lost;
}`
}

const AGAIN = `${KEPT_LOCATION}_again`

/** HTTP/2 knows no headers of a connection: a peer ends one on which it is sent some. */
const OVER_H2 = [
  'proxy_http_version 2;',
  ...['Upgrade', 'Connection', 'Proxy-Connection', 'Keep-Alive', 'HTTP2-Settings'].map(
    (name) => `proxy_set_header ${name} "";`,
  ),
]

/** The ends of the locations' names (contract/table/peer-way.ts), and what stands in these. */
const WAYS: Array<[suffix: string, lines: string[], scheme: string]> = [
  ['_tls', [], 'https'],
  ['_tls_any', ['proxy_ssl_verify off;'], 'https'],
  ['_h2', OVER_H2, 'http'],
  ['_h2_tls', OVER_H2, 'https'],
  ['_h2_tls_any', ['proxy_ssl_verify off;', ...OVER_H2], 'https'],
]

/** `isShown`: the peer is shown a certificate, which a variable names when nginx connects. */
function overTls(settings: ConfSettings, isVerified: boolean, isShown: boolean): string[] {
  const { includes } = homePaths(settings.home)
  const variables = { name: '$sluice_kept_name', certificate: '$sluice_shown_certificate' }
  const script = [
    `js_import sluice_kept from "${includes}/njs/kept-certificate.js";`,
    'js_set $sluice_shown_certificate sluice_kept;',
  ]
  return [
    ...(isShown ? script : []),
    ...peerTls('proxy', settings, { isVerified, ...(isShown && variables) }),
    'proxy_ssl_session_reuse off;',
  ]
}

/** In a server of the user's, who may have set anything there. */
function asking(
  settings: ConfSettings,
  [, lines, scheme]: (typeof WAYS)[number],
  isShown: boolean,
): string[] {
  const isH2 = lines.includes('proxy_http_version 2;')
  const isVerified = !lines.includes('proxy_ssl_verify off;')
  return [
    'recursive_error_pages on;',
    'set $sluice_sid $sluice_kept_sid;',
    'set $sluice_drawn $sluice_kept_drawn;',
    `limit_conn ${CONNECTION_ZONE} 65535;`,
    `proxy_connect_timeout ${settings.connectTimeoutMs}ms;`,
    'proxy_buffering off;',
    '# All of a body is here before it is sent, so the hop has all of it too.',
    'proxy_request_buffering on;',
    'proxy_intercept_errors off;',
    ignoreAccel(),
    `error_page ${isShown ? '500 ' : ''}502 504 = $sluice_kept_after;`,
    ...peerHeaders(settings, '$sluice_host', isH2 ? null : undefined),
    ...lines.filter((line) => !line.startsWith('proxy_ssl_verify')),
    '# Nobody is told of the pick. It is looked at once more when a body is here.',
    `proxy_set_header ${PICK_HEADER} $sluice_late;`,
    `proxy_set_header ${ACCEL_HEADER} "";`,
    ...unspelled('proxy', [PICK_HEADER, ACCEL_HEADER]),
    `proxy_hide_header ${PEER_HEADER};`,
    ...(scheme === 'https' ? overTls(settings, isVerified, isShown) : []),
    `proxy_pass ${scheme}://${KEPT_POOL};`,
  ]
}

/** Of a server whose paths the table routes. `again`: how the hop is asked. */
export function keptLocations(settings: ConfSettings, again: string[]): string[] {
  const location = (name: string, lines: string[]): string =>
    `location ${name} {\n${indented(lines)}\n}`
  return [
    ...WAYS.flatMap((way) => {
      const [suffix, , scheme] = way
      const name = KEPT_LOCATION + suffix
      const shown = location(name + SHOWN, asking(settings, way, true))
      return [location(name, asking(settings, way, false)), ...(scheme === 'https' ? [shown] : [])]
    }),
    location(AGAIN, [...again, `proxy_pass http://${HOP};`]),
    // What is no call: the hop refuses it.
    location(KEPT_LOCATION + GRPC_WAY, [...again, `proxy_pass http://${HOP};`]),
  ]
}
