/**
 * The locations that a front goes on at (`$sluice_onward`), before it has read anything of a body:
 * for sessions and the like, for what a route changes, and for what is refused. njs says which
 * (njs/front/onward.lazy.ts). All but those that change a request themselves ask the hop.
 */
import {
  ACTING_LOCATION,
  BODY_LIMITS,
  CHANGING_LOCATION,
  HOP,
  HOP_LOCATION,
  PATIENT,
  PATIENT_LOCATION,
  PEER_HEADER,
  PICK_HEADER,
  REFUSING_LOCATION,
} from '../contract/servers.js'
import { ignoreAccel } from './accel-conf.js'
import { unspelled } from './asked-host.js'
import type { ConfSettings } from './conf-settings.js'
import { homePaths } from './home-paths.js'
import { indented } from './indented.js'
import { keptLocations } from './kept-conf.js'
import { passLines, peerHeaders } from './pool-pass.js'
import { speaksHttp11 } from './versions.js'

function location(name: string, lines: string[]): string {
  return `location ${name} {\n${indented(lines)}\n}`
}

/** Heads of answers as large as the hop takes requests': a redirect may repeat a whole address. */
export const LARGE_HEADS = [
  'proxy_buffer_size 64k;',
  'proxy_buffers 4 64k;',
  'proxy_busy_buffers_size 128k;',
]

/** How the hop is asked. `mark` stands in the header where a SID would. */
function asking(settings: ConfSettings, mark: string, honoured = ['X-Accel-Buffering']): string[] {
  const { home, connectTimeoutMs, nginxVersion } = settings
  return [
    `proxy_connect_timeout ${connectTimeoutMs}ms;`,
    'proxy_buffering off;',
    ...LARGE_HEADS,
    // By it the hop says whether a route wants its answers buffered.
    ignoreAccel(...honoured),
    `include "${homePaths(home).includes}/onward-headers.conf";`,
    ...(speaksHttp11(nginxVersion) ? [] : ['proxy_http_version 1.1;']),
    `proxy_set_header ${PICK_HEADER} "$sluice_key${mark}";`,
    ...unspelled('proxy', [PICK_HEADER]),
    `proxy_hide_header ${PEER_HEADER};`,
  ]
}

const REFUSED = 'sluice_refused'

/**
 * nginx refuses a length above client_max_body_size when it finds the location of a path, before it
 * asks for the body, and chunks while it reads them. So a refusal takes the way of a path that no
 * client can ask for; the hop, which knows why, is sent the head alone.
 */
function refusing(settings: ConfSettings): string[] {
  const headOnly = [
    'proxy_pass_request_body off;',
    'proxy_set_header Content-Length "";',
    ...asking(settings, ' $sluice_refusal_mark'),
    `proxy_pass http://${HOP}$request_uri;`,
  ]
  const least = ['client_max_body_size 1;', 'proxy_request_buffering on;']
  return [
    location(REFUSING_LOCATION, [`rewrite ^ ${REFUSED} last;`]),
    location(`= ${REFUSED}`, [
      'internal;',
      ...least,
      `error_page 413 = @${REFUSED};`,
      '# The refusal has a reason of its own in the log.',
      'error_log /dev/null crit;',
      ...headOnly,
    ]),
    location(`@${REFUSED}`, headOnly),
  ]
}

/**
 * What the front changes itself (njs/front/change-here.lazy.ts), before the pool is asked. nginx
 * sets headers by names that it knows, so those of a route are lines within one that it does. A
 * request that the pool gave up begins anew, unchanged.
 */
function changing(settings: ConfSettings): string[] {
  const { connectTimeoutMs } = settings
  const lines = [
    'recursive_error_pages on;',
    'set $sluice_drawn $sluice_act_pick;',
    `proxy_connect_timeout ${connectTimeoutMs}ms;`,
    'proxy_buffering off;',
    ignoreAccel(),
    'error_page 502 = $sluice_changed_after;',
    ...peerHeaders(settings, '$sluice_act_host$sluice_act_headers'),
    ...passLines(settings, '$sluice_act_target'),
  ]
  // With a body the pick is made, and counted, when that is here.
  const now = ['set $sluice_sid $sluice_act_pick;', ...lines]
  const edited = 'js_header_filter sluice_front.more;'
  return [
    location(CHANGING_LOCATION, now),
    location(`${CHANGING_LOCATION}_edited`, [edited, ...now]),
    location(`${CHANGING_LOCATION}_body`, lines),
    location(`${CHANGING_LOCATION}_body_edited`, [edited, ...lines]),
    location(`${CHANGING_LOCATION}_again`, [
      'set $sluice_key $sluice_act_key;',
      ...asking(settings, ''),
      // The path as it came, also where nginx has rewritten it.
      `proxy_pass http://${HOP}$request_uri;`,
    ]),
  ]
}

function acting(settings: ConfSettings): string[] {
  const patience = ['proxy_read_timeout 1d;', 'proxy_send_timeout 1d;']
  const plain: Array<[string, string[]]> = [
    [ACTING_LOCATION, asking(settings, '')],
    [PATIENT_LOCATION, [...patience, ...asking(settings, ` ${PATIENT}`)]],
  ]
  return plain.flatMap(([name, lines]) => [
    location(name, [...lines, `proxy_pass http://${HOP};`]),
    ...BODY_LIMITS.map((bytes) =>
      location(`${name}_${bytes}`, [
        `client_max_body_size ${bytes};`,
        'proxy_request_buffering on;',
        `error_page 413 = @${REFUSED};`,
        ...lines,
        `proxy_pass http://${HOP};`,
      ]),
    ),
  ])
}

function kept(settings: ConfSettings): string[] {
  return keptLocations(settings, asking(settings, ' $sluice_kept_sid'))
}

export function onwardLocations(settings: ConfSettings): string {
  return [
    '# Where requests go on that the pool does not serve.',
    location(HOP_LOCATION, [...asking(settings, '', []), `proxy_pass http://${HOP};`]),
    ...(settings.pool ? [...changing(settings), ...kept(settings)] : []),
    ...acting(settings),
    ...refusing(settings),
  ].join('\n')
}
