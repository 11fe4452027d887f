/**
 * The variables of `http{}` that Sluice sets. Most stand for one thing and are explained where njs
 * uses them (njs/hop/hop-variables.ts has the hop's). Those of the front's pick belong together:
 *
 * | variable | set by | read by |
 * |---|---|---|
 * | `$sluice_key` | the location: `@<host>/<slot>`, `:<upstream>/<slot>` | the front |
 * | `$sluice_sid` | the front, once: the pick; '' for the hop | the pool, the header to the hop |
 * | `$sluice_before_body` | the front: `-`, or '' where it goes on elsewhere | `$sluice_drawn` |
 * | `$sluice_onward` | the front: the location that it goes on at | that of `$sluice_key` |
 * | `$sluice_drawn` | a map of the two | the location, limit_conn |
 * | `$sluice_after_body` | the front: always '', it counts the pick | `$sluice_late` |
 * | `$sluice_late` | a map of it | the header to the hop |
 * | `$sluice_after` | a map: where a request goes on that the pool gave up | `error_page` |
 * | `$sluice_log_pick` | the front: who was picked, where the slot did not say | the access log |
 */
import { ACCEL_HEADERS } from '../contract/guard/header-names.js'
import { HOP_LOCATION } from '../contract/servers.js'
import { accelVariable } from './accel-conf.js'
import { askedHost, pathMap } from './asked-host.js'
import type { ConfSettings } from './conf-settings.js'
import { trustMaps } from './forwarded.js'
import { UPGRADES } from './upgrade-conf.js'
import { speaksH2 } from './versions.js'

/** With neither length nor transfer encoding, a request by one of these surely has no body. */
export const BODILESS = ['GET', 'HEAD', 'OPTIONS', 'DELETE']

/** `without` for a request that surely has no body, `withBody` for any other one. */
function byBody(variable: string, without: string, withBody: string, first = ''): string {
  const methods = BODILESS.map((method) => `${method} ${without};`)
  return `map $request_method$content_length$http_transfer_encoding ${variable} { ${first}default ${withBody}; ${methods.join(' ')} }`
}

/** Where a request with a body goes on is asked before the body is read. */
const BEFORE_BODY = `js_set $sluice_before_body sluice_front.more;
js_var $sluice_onward ${HOP_LOCATION};
js_var $sluice_refusal_mark '';`

/**
 * The pick is made once, and kept: a `set` would evaluate a changing variable twice, for its length
 * and for its text. For the same reason a map stands before `$sluice_after_body`.
 *
 * - `$sluice_drawn` is what limit_conn counts: for a request without a body its pick, for any other
 *   `-`. It is '' for a request that goes on at `$sluice_onward`. nginx refuses a reload with
 *   another key for a zone that it has, so this name stays.
 * - `$sluice_late` is always ''. It is asked for when the body is here, so that a pick that was
 *   made for a body is counted then. docs/limits.md names it, so its name stays.
 */
const poolPicks = (pick: string): string => `${pick}
${byBody('$sluice_drawn', '$sluice_sid', '$sluice_before_body')}
js_set $sluice_after_body sluice_front.more nocache;
map $sluice_after_body $sluice_after_body_once { volatile; default ''; }
${byBody('$sluice_late', "''", '$sluice_after_body_once', 'volatile; ')}
`

/** Of a request that goes on at the kept pool: the same as `$sluice_drawn`. */
const KEPT_PICKS = `${byBody('$sluice_kept_drawn', '$sluice_kept_sid', '-')}\n`

const PICK = `js_set $sluice_sid sluice_front;
js_var $sluice_picked_upstream '';
js_var $sluice_picked_instance '';`

/**
 * Where the controller is to name instances in slots (contract/table/mark.ts), so that the access
 * log need not ask njs for them.
 */
const NAMED_PICK = `js_set $sluice_pick sluice_front;
js_var $sluice_named 1;
map $sluice_pick $sluice_sid {
    default $sluice_pick;
    "~^([^=]+)=(?<sluice_picked_upstream>[^=]+)=(?<sluice_picked_instance>.+)" $1;
}`

/** 1: the pick is asked for, by `$sluice_shard`, before the body is here. */
const WIDE_PICKS = `${byBody('$sluice_too_early', "''", '1')}\n`

/**
 * Without a pool the hop asks a front to wait, where its route does, by X-Accel-Redirect. So it
 * keeps those of instances back, but for locations that ask for them.
 */
const HOP_PICKS = `js_var $sluice_sid '';
js_var $sluice_picked_upstream '';
js_var $sluice_picked_instance '';
${byBody('$sluice_drawn', '-', '$sluice_before_body')}
${ACCEL_HEADERS.map(
  (name) =>
    `map $http_x_sluice_accel ${accelVariable(name)} { default ''; 1 $upstream_http_${name.toLowerCase().replaceAll('-', '_')}; }`,
).join('\n')}
`

function portMap({ passthrough, httpsPort }: ConfSettings): string {
  return passthrough
    ? `map $server_port $sluice_port { default $server_port; '' ${httpsPort}; }\n`
    : ''
}

/** Of a route that acts (njs/hop/act-state.ts, njs/front/change-here.lazy.ts). */
const ACT_VARIABLES = 'pick key headers mirror target host page type answer_unit'
  .split(' ')
  .map((name) => `js_var $sluice_act_${name} '';`)
  .join('\n')

/** All variables that stand once in `http{}`. */
export function httpVariables(settings: ConfSettings): string {
  const { pool, wide, nginxVersion, accessLog } = settings
  const picks = pool
    ? poolPicks(accessLog === undefined ? PICK : NAMED_PICK) + KEPT_PICKS
    : HOP_PICKS
  return `# Set in the location: who is asked for, and how.
js_var $sluice_upstream '';
js_var $sluice_key ":$sluice_upstream/$sluice_slot";
js_var $sluice_worker $pid;
${BEFORE_BODY}
${picks}${wide === true ? WIDE_PICKS : ''}js_set $sluice_log_pick sluice_front.more;
js_var $sluice_unpooled '${pool ? '' : 1}';
# The hop's own.
js_var $sluice_tried '';
js_var $sluice_choice '';
js_var $sluice_outcome '- - 0';
js_var $sluice_refused '';
js_var $sluice_location '';
js_var $sluice_watched '';
js_var $sluice_trial '';
js_var $sluice_unanswered '';
js_var $sluice_judged '';
map $sluice_watched $sluice_report {
    volatile;
    default "$sluice_outcome $upstream_addr";
    1 $sluice_measured;
}
js_var $sluice_session_cookie '';
js_var $sluice_arm_cookie '';
${ACT_VARIABLES}
js_var $sluice_tls_name '';
js_var $sluice_kept_sid '';
js_var $sluice_preflight_peer '';
js_var $sluice_h2 '${speaksH2(nginxVersion) ? 1 : ''}';
js_var $sluice_tls_certificate '';
js_var $sluice_hash '';

js_var $sluice_wanted '';
${UPGRADES}
${askedHost(settings)}
${trustMaps(settings)}
${pathMap(settings)}
${portMap(settings)}`
}
