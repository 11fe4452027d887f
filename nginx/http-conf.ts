/** `http.conf`: what stands once in `http{}`. */
import {
  ACTIVE_ZONE,
  CONNECTION_ZONE,
  COUNTER_ZONE,
  EVENT_ZONE,
  LOAD_ZONE,
  PROMISE_ZONE,
} from '../contract/table/zones.js'
import { TABLE_ZONE } from '../contract/table/zones.js'
import { SHARES, SLOTS } from '../contract/table/limits.js'
import { HOP, HOP_LOCATION, POOL, POOL_SHARDS } from '../contract/servers.js'
import { accessLogFormat } from './access-log-conf.js'
import { adminServer } from './admin-conf.js'
import { askedHost, pathMap } from './asked-host.js'
import { grpcHop } from './grpc-conf.js'
import { ACCEL_HEADERS } from '../contract/guard/header-names.js'
import { accelVariable } from './accel-conf.js'
import { hopServer } from './hop-conf.js'
import { judgeServer } from './judge-conf.js'
import type { ConfSettings } from './conf-settings.js'
import { clientScheme, trustMaps } from './forwarded.js'
import { homePaths } from './home-paths.js'
import { speaksH2 } from './versions.js'
import { UPGRADES } from './upgrade-conf.js'
import { splitClients } from './split-clients.js'
import { http3Maps } from './tls-conf.js'

function poolUpstream({ home, pool }: ConfSettings): string {
  const { hopSocket, againSocket } = homePaths(home)
  return pool
    ? ''
    : `# No pool: every peer by address, through the hop.
upstream ${POOL} {
    zone ${POOL} 128k;
    server "unix:${hopSocket}" max_fails=0;
    server "unix:${againSocket}" backup max_fails=0;
    keepalive 64;
}`
}

/** A member takes about 0.9 KB of the zone, an idle connection some KB of its worker. */
const ONE = { zone: '16m', keepalive: 256 }
const SHARD = { zone: '4m', keepalive: 64 }

function shard({ home, poolPort }: ConfSettings, name: string, part: number, size: typeof ONE) {
  const { hopSocket, againSocket } = homePaths(home)
  return `upstream ${name} {
    zone ${name} ${size.zone};
    resolver 127.0.0.1:${poolPort} ipv6=off;
    resolver_timeout 1s;
    server p${part}.pool.sluice service=_http._tcp resolve drain max_fails=0;
    sticky route $sluice_sid;
    server "unix:${hopSocket}" backup max_fails=0 weight=1000000;
    server "unix:${againSocket}" backup max_fails=0;
    keepalive ${size.keepalive};
    # A peer that left is never asked again; its idle connections wait for this.
    keepalive_timeout 30s;
}`
}

/**
 * nginx looks a member up by going through the upstream{} that has it, some 30 instructions for
 * each; to name one of several costs 3,400. controller/pool/shards.ts knows by the same hash which
 * one has a member.
 */
function poolShards(settings: ConfSettings): string[] {
  const title = `# Holds every peer of every upstream and keeps connections to them; a SID names one of them. What the
# pool does not serve goes, by nginx's own rules for the next upstream, to the hop. "drain" peers count
# as no try, so it takes two backups for one retry; the weight makes the second one second.`
  if (!settings.pool) {
    return []
  }
  if (settings.wide !== true) {
    return [`${title}\n${shard(settings, POOL, 0, ONE)}`]
  }
  const names = Array.from({ length: POOL_SHARDS }, (_, i) => `${POOL}_${i}`)
  const chosen = splitClients('$sluice_shard', '$sluice_sid', POOL_SHARDS, 1, `${POOL}_`)
  return [title, ...names.map((name, i) => shard(settings, name, i, SHARD)), chosen]
}

/** With neither length nor transfer encoding, a request by one of these surely has no body. */
const BODILESS = ['GET', 'HEAD', 'OPTIONS', 'DELETE']

/**
 * After "no live upstreams" nothing was sent that nginx may not send again, for it asks that first.
 * What has a body is lost all the same: some of it may be gone where request buffering is off.
 */
function hopUpstream({ home }: ConfSettings): string {
  const { hopSocket, againSocket } = homePaths(home)
  const methods = BODILESS.map((method) => `1${method} @sluice_again;`)
  return `upstream ${HOP} {
    server "unix:${hopSocket}" max_fails=0;
    server "unix:${againSocket}" backup max_fails=0;
    keepalive 64;
}
map $upstream_addr $sluice_pool_gave_up { volatile; default ''; "~(^| )${POOL}(_\\d+)?$" 1; }
map $sluice_pool_gave_up$request_method$content_length$http_transfer_encoding $sluice_after {
    volatile;
    default @sluice_lost;
    ${methods.join(' ')}
}
map $sluice_after $sluice_changed_after {
    volatile;
    default @sluice_lost;
    @sluice_again @sluice_changed_again;
}`
}

function zones({ tableBytes, pool }: ConfSettings): string {
  return `js_shared_dict_zone zone=${TABLE_ZONE}:${tableBytes};
js_shared_dict_zone zone=${ACTIVE_ZONE}:4m type=number;
js_shared_dict_zone zone=${COUNTER_ZONE}:64k type=number;
js_shared_dict_zone zone=${LOAD_ZONE}:32m type=number;
js_shared_dict_zone zone=${EVENT_ZONE}:512k;
js_shared_dict_zone zone=${PROMISE_ZONE}:1m;
limit_conn_zone ${pool ? '$sluice_early' : '$sluice_sid'}$sluice_worker zone=${CONNECTION_ZONE}:16m;`
}

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
 * and for its text. So are `$sluice_after_body` and its map.
 *
 * - `$sluice_early`, for a request without a body: its pick, which limit_conn counts. '' where it
 *   goes on at `$sluice_onward`.
 * - `$sluice_late`, for any other one: always ''. To ask for it, when the body is here, makes and
 *   counts the pick. docs/limits.md names it, so its name stays.
 */
const POOL_PICKS = `js_set $sluice_sid sluice_front;
${byBody('$sluice_early', '$sluice_sid', '$sluice_before_body')}
js_set $sluice_after_body sluice_front.more nocache;
map $sluice_after_body $sluice_after_body_once { volatile; default ''; }
${byBody('$sluice_late', "''", '$sluice_after_body_once', 'volatile; ')}
`

/** 1: the pick is asked for, by `$sluice_shard`, before the body is here. */
const WIDE_PICKS = `${byBody('$sluice_too_early', "''", '1')}\n`

/**
 * Without a pool the hop asks a front to wait, where its route does, by X-Accel-Redirect. So it
 * keeps those of instances back, but for locations that ask for them.
 */
const HOP_PICKS = `js_var $sluice_sid '';
${byBody('$sluice_early', '-', '$sluice_before_body')}
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

/** Of a route that acts (njs/hop/state.ts). */
const ACT_VARIABLES = 'pick key headers mirror target host page type answer_unit'
  .split(' ')
  .map((name) => `js_var $sluice_act_${name} '';`)
  .join('\n')

function variables(settings: ConfSettings): string {
  const { pool, wide, nginxVersion } = settings
  return `# Set in the location: who is asked for, and how.
js_var $sluice_upstream '';
js_var $sluice_key ":$sluice_upstream/$sluice_slot";
js_var $sluice_worker $pid;
${BEFORE_BODY}
${pool ? POOL_PICKS : HOP_PICKS}${wide === true ? WIDE_PICKS : ''}js_set $sluice_log sluice_front.more;
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

export function httpConf(settings: ConfSettings): string {
  const { includes, fallbackFiles } = homePaths(settings.home)
  const engine = settings.engine === undefined ? [] : [`js_engine ${settings.engine};`]
  return [
    '# Sluice: include this once in http{}. Written anew at each start; changes here are lost.',
    '# A limit_conn in a location or server that includes Sluice replaces none of yours, but yours of the',
    '# levels above are not inherited there: repeat them beside the include.',
    ...engine,
    `js_import sluice_front from "${includes}/njs/front.js";`,
    zones(settings),
    variables(settings),
    ...(settings.http3 ? [http3Maps(settings)] : []),
    splitClients('$sluice_slot', '$connection$connection_requests', SLOTS),
    splitClients('$sluice_share', '$connection_requests.$connection', SHARES, 3),
    splitClients('$sluice_hash_slot', '$sluice_hash', SLOTS),
    splitClients('$sluice_hash_share', 'share $sluice_hash', SHARES),
    accessLogFormat(clientScheme(settings)),
    ...[poolUpstream(settings), ...poolShards(settings)].filter(Boolean),
    hopUpstream(settings),
    hopServer(settings),
    judgeServer(settings),
    ...(settings.hasGrpc ? [grpcHop(settings)] : []),
    adminServer(settings),
    '# There may be none yet.',
    `include "${fallbackFiles}";`,
    '',
  ].join('\n\n')
}
