/** `http.conf`: what stands once in `http{}`. */
import { HOP, POOL, POOL_SHARDS } from '../contract/servers.js'
import { SHARES, SLOTS } from '../contract/table/limits.js'
import {
  ACTIVE_ZONE,
  CONNECTION_ZONE,
  COUNTER_ZONE,
  EVENT_ZONE,
  LOAD_ZONE,
  PROMISE_ZONE,
  TABLE_ZONE,
} from '../contract/table/zones.js'
import { accessLogFormat } from './access-log-conf.js'
import { adminServer } from './admin-conf.js'
import type { ConfSettings } from './conf-settings.js'
import { clientScheme } from './forwarded.js'
import { grpcHop } from './grpc-conf.js'
import { homePaths } from './home-paths.js'
import { hopServer } from './hop-conf.js'
import { BODILESS, httpVariables } from './http-variables.js'
import { judgeServer } from './judge-conf.js'
import { keptPool } from './kept-conf.js'
import { splitClients } from './split-clients.js'
import { http3Maps } from './tls-conf.js'
import { poolUpstream } from './pool-upstream.js'
import { mergesAnswers } from './versions.js'

/** A member takes about 0.9 KB of the zone, an idle connection some KB of its worker. */
const ONE = { zone: '16m', keepalive: 256 }
const SHARD = { zone: '4m', keepalive: 64 }

function shard(settings: ConfSettings, name: string, part: number, size: typeof ONE): string {
  const { hopSocket, againSocket } = homePaths(settings.home)
  const hop = [
    `server "unix:${hopSocket}" backup max_fails=0 weight=1000000;`,
    `server "unix:${againSocket}" backup max_fails=0;`,
  ]
  const at = { name, part: `p${part}`, sid: '$sluice_sid' }
  return poolUpstream(settings, { ...at, ...size, more: hop })
}

/** Without a pool: what passes to it goes to the hop at once. */
function hopAsPool({ home }: ConfSettings): string {
  const { hopSocket, againSocket } = homePaths(home)
  return `# No pool: every peer by address, through the hop.
upstream ${POOL} {
    zone ${POOL} 128k;
    server "unix:${hopSocket}" max_fails=0;
    server "unix:${againSocket}" backup max_fails=0;
    keepalive 64;
}`
}

/**
 * nginx looks a member up by going through the upstream{} that has it, some 30 instructions for
 * each; to name one of several costs 3,400. controller/pool/shards.ts knows by the same hash which
 * one has a member.
 */
function poolUpstreams(settings: ConfSettings): string[] {
  const title = `# Holds every peer of every upstream and keeps connections to them; a SID names one of them. What the
# pool does not serve goes, by nginx's own rules for the next upstream, to the hop. "drain" peers count
# as no try, so it takes two backups for one retry; the weight makes the second one second.`
  if (!settings.pool) {
    return [hopAsPool(settings)]
  }
  if (settings.wide !== true) {
    return [`${title}\n${shard(settings, POOL, 0, ONE)}`]
  }
  const names = Array.from({ length: POOL_SHARDS }, (_, i) => `${POOL}_${i}`)
  const chosen = splitClients('$sluice_shard', '$sluice_sid', POOL_SHARDS, 1, `${POOL}_`)
  return [title, ...names.map((name, i) => shard(settings, name, i, SHARD)), chosen]
}

/**
 * After "no live upstreams" nothing was sent that nginx may not send again, for it asks that first.
 * What has a body is lost all the same: some of it may be gone where request buffering is off.
 */
function hopUpstream({ home, compiled }: ConfSettings): string {
  const { hopSocket, againSocket } = homePaths(home)
  const methods = BODILESS.map((method) => `1${method} @sluice_again;`)
  return `upstream ${HOP} {
    server "unix:${hopSocket}" max_fails=0;
    server "unix:${againSocket}" backup max_fails=0;
    keepalive 64;
}
map $upstream_addr $sluice_pool_gave_up { volatile; default ''; "~(^| )${compiled ? `(?:${POOL}(?:_\\d+)?|[0-9a-f]{12}_lane)` : `${POOL}(_\\d+)?`}$" 1; }
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
limit_conn_zone ${pool ? '$sluice_drawn' : '$sluice_sid'}$sluice_worker zone=${CONNECTION_ZONE}:16m;`
}

/** Empty where a location's headers of answers can stand beside those of its server. */
function unmerged({ nginxVersion }: ConfSettings): string {
  return `map '' $sluice_unmerged { default '${mergesAnswers(nginxVersion) ? '' : '!'}'; }`
}

export function httpConf(settings: ConfSettings): string {
  const { includes, fallbackFiles, compiled } = homePaths(settings.home)
  const engine = settings.engine === undefined ? [] : [`js_engine ${settings.engine};`]
  return [
    '# Sluice: include this once in http{}. Written anew at each start; changes here are lost.',
    '# A limit_conn in a location or server that includes Sluice replaces none of yours, but yours of the',
    '# levels above are not inherited there: repeat them beside the include.',
    ...engine,
    `js_import sluice_front from "${includes}/njs/front.js";`,
    zones(settings),
    httpVariables(settings),
    ...(settings.http3 ? [http3Maps(settings)] : []),
    splitClients('$sluice_slot', '$connection$connection_requests', SLOTS),
    splitClients('$sluice_share', '$connection_requests.$connection', SHARES, 3),
    splitClients('$sluice_hash_slot', '$sluice_hash', SLOTS),
    splitClients('$sluice_hash_share', 'share $sluice_hash', SHARES),
    accessLogFormat(clientScheme(settings)),
    ...(settings.compiled
      ? [
          unmerged(settings),
          `# Upstreams that nginx chooses in by itself; there may be none.\ninclude "${compiled}/http*.conf";`,
        ]
      : []),
    ...poolUpstreams(settings),
    ...(settings.pool ? [keptPool(settings)] : []),
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
