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
import { poolUpstream } from './pool-upstream.js'

/** A connection is made anew after this, so no way of reaching a peer outlives its end by more. */
const LIFETIME = 'keepalive_time 5m;'

/** Without a backup: the hop speaks no TLS. */
export function keptPool(settings: ConfSettings): string {
  const at = { name: KEPT_POOL, part: 'k0', zone: '16m', sid: '$sluice_kept_sid', keepalive: 256 }
  return `# Peers over TLS or HTTP/2, each in one way alone (controller/pool/kept-ways.ts).
${poolUpstream(settings, { ...at, more: [LIFETIME] })}
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

interface Way {
  /** The end of the location's name (contract/table/peer-way.ts). */
  suffix: string
  isH2: boolean
  tls: 'none' | 'any' | 'verified'
}

const WAYS: Way[] = [
  { suffix: '_tls', isH2: false, tls: 'verified' },
  { suffix: '_tls_any', isH2: false, tls: 'any' },
  { suffix: '_h2', isH2: true, tls: 'none' },
  { suffix: '_h2_tls', isH2: true, tls: 'verified' },
  { suffix: '_h2_tls_any', isH2: true, tls: 'any' },
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
function asking(settings: ConfSettings, { isH2, tls }: Way, isShown: boolean): string[] {
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
    ...(isH2 ? OVER_H2 : []),
    '# Nobody is told of the pick. It is looked at once more when a body is here.',
    `proxy_set_header ${PICK_HEADER} $sluice_late;`,
    `proxy_set_header ${ACCEL_HEADER} "";`,
    ...unspelled('proxy', [PICK_HEADER, ACCEL_HEADER]),
    `proxy_hide_header ${PEER_HEADER};`,
    ...(tls === 'none' ? [] : overTls(settings, tls === 'verified', isShown)),
    `proxy_pass ${tls === 'none' ? 'http' : 'https'}://${KEPT_POOL};`,
  ]
}

/** Of a server whose paths the table routes. `again`: how the hop is asked. */
export function keptLocations(settings: ConfSettings, again: string[]): string[] {
  const location = (name: string, lines: string[]): string =>
    `location ${name} {\n${indented(lines)}\n}`
  return [
    ...WAYS.flatMap((way) => {
      const name = KEPT_LOCATION + way.suffix
      const shown = location(name + SHOWN, asking(settings, way, true))
      return [location(name, asking(settings, way, false)), ...(way.tls === 'none' ? [] : [shown])]
    }),
    location(AGAIN, [...again, `proxy_pass http://${HOP};`]),
    // What is no call: the hop refuses it.
    location(KEPT_LOCATION + GRPC_WAY, [...again, `proxy_pass http://${HOP};`]),
  ]
}
