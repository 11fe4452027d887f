/**
 * The hop's locations for routes that act. They ask the hop once more, at the socket where the
 * request came in: so a second call is known as one (`isSecondCall`).
 */
import { indented } from './indented.js'
import { READ_MS } from '../contract/record/route-limits.js'
import { PEER_HEADER, PICK_HEADER } from '../contract/servers.js'

interface Kind {
  /** 0: as long as the server in front waits. */
  readMs: number
  /** Whether the request's headers are all in $sluice_act_headers. */
  whole: boolean
  mirrored: boolean
  /** Whether its route has error pages. */
  paged: boolean
}

function nameOf({ readMs, whole, mirrored, paged }: Kind): string {
  const marks = [whole && '_whole', mirrored && '_mirror', paged && '_paged']
  return `@sluice_act_${readMs}${marks.filter(Boolean).join('')}`
}

function mirrorName(whole: boolean): string {
  return `sluice_mirror${whole ? '_whole' : ''}`
}

function sent(whole: boolean, pick: string): string[] {
  return [
    ...(whole ? ['proxy_pass_request_headers off;'] : []),
    'proxy_set_header Host $sluice_act_host;',
    'proxy_set_header Upgrade $sluice_act_offer;',
    'proxy_set_header Connection $sluice_act_connection;',
    'proxy_set_header TE $http_te;',
    `proxy_set_header ${PICK_HEADER} "${pick}$sluice_act_headers";`,
    'proxy_pass http://$server_addr:$sluice_act_target;',
  ]
}

function block(name: string, lines: string[]): string {
  return `    location ${name} {\n${indented(lines, '        ')}\n    }`
}

const PAGE = [
  'add_header Content-Type $sluice_act_type always;',
  'js_body_filter sluice_hop.replaceBody buffer_type=buffer;',
]

function actLocation(kind: Kind, passLines: string[]): string {
  const { readMs, whole, mirrored, paged } = kind
  const limit = [`proxy_read_timeout ${readMs}ms;`, 'error_page 504 = @sluice_too_slow;']
  // A connection is busy until its mirrored request is done, so nobody may wait for it.
  const mirror = [`mirror ${mirrorName(whole)};`, 'keepalive_timeout 0;']
  return block(nameOf(kind), [
    // One that is there keeps those of the server out; what is empty is not sent.
    `add_header ${PEER_HEADER} "";`,
    'add_header Set-Cookie $sluice_arm_cookie always;',
    'js_header_filter sluice_hop.editAnswer;',
    ...(paged ? PAGE : []),
    ...(readMs === 0 ? [] : limit),
    ...(mirrored ? mirror : []),
    ...passLines,
    ...sent(whole, '$sluice_act_pick'),
  ])
}

/** Its name has no slash, so no client can ask for it. */
function mirrorLocation(whole: boolean): string {
  const limit = 'proxy_read_timeout 60s;'
  return block(`= ${mirrorName(whole)}`, ['internal;', limit, ...sent(whole, '$sluice_act_mirror')])
}

/** `headers`: names of those that an inner server passes on, between spaces. */
export function actLocations(headers: string): string {
  const lines = `${headers} ${PEER_HEADER}`.split(' ').map((name) => `proxy_pass_header ${name};`)
  const either = [false, true]
  const kinds = [0, ...READ_MS].flatMap((readMs) =>
    either.flatMap((whole) =>
      either.flatMap((mirrored) =>
        either.map((paged): Kind => ({ readMs, whole, mirrored, paged })),
      ),
    ),
  )
  return [
    ...kinds.map((kind) => actLocation(kind, lines)),
    ...[false, true].map(mirrorLocation),
    // An answer that only asks the front to wait has no type of its own.
    block('@sluice_reply', ["default_type '';", 'js_content sluice_hop.reply;']),
    block('@sluice_too_slow', ['js_content sluice_hop.tooSlow;']),
  ].join('\n')
}
