/**
 * `stream.conf`, which stands once in `stream{}`: its variables, and the servers for routes of
 * connections. And `passthrough.conf`.
 */
import { SEATS } from '../contract/seat.js'
import { portsIn, printPorts } from '../contract/guard/ports.js'
import { STREAM_ZONES } from '../contract/table/zones.js'
import { SHARES, SLOTS } from '../contract/table/limits.js'
import {
  TCP,
  chosen,
  giveBack,
  receivingServers,
  tunablePortServers,
  moduleLine,
  tcpLimits,
  tunablePorts,
} from './handoff-conf.js'
import type { ConfSettings } from './conf-settings.js'
import { homePaths } from './home-paths.js'
import { indented } from './indented.js'
import { listens, reuseportOption } from './listen.js'
import { seatsConf } from './seats-conf.js'
import { SHARE_ZONES, mostSessions } from './connection-limits.js'
import { splitClients } from './split-clients.js'

function zones(): string {
  const { table, active, load, counter, event, handoff } = STREAM_ZONES
  return `js_shared_dict_zone zone=${table}:8m;
js_shared_dict_zone zone=${active}:1m type=number;
js_shared_dict_zone zone=${load}:4m type=number;
js_shared_dict_zone zone=${counter}:64k type=number;
js_shared_dict_zone zone=${event}:512k;
js_shared_dict_zone zone=${handoff}:1m;
${[SHARE_ZONES.tcp, SHARE_ZONES.udp].map((zone) => `limit_conn_zone $pid zone=${zone}:1m;`).join('\n')}`
}

function variables(settings: ConfSettings): string {
  const { home, streamPorts } = settings
  return `js_var $sluice_ports "${streamPorts}";
js_var $sluice_tuned_ports "${printPorts(tunablePorts(settings))}";
js_var $sluice_seats ${settings.seats === true ? SEATS : 0};
js_var $sluice_tuned '';
js_var $sluice_sni_socket '';
js_var $sluice_accepts_socket "${homePaths(home).acceptsSocket}";
js_var $sluice_key '';
js_var $sluice_peer '';
js_var $sluice_unit '';
js_var $sluice_hash '';`
}

/** Who picks: a reload may have taken the seats away to which the table still leads. */
function picking({ seats }: ConfSettings): string {
  return seats === true ? 'sluice_stream' : 'sluice_stream.unseated'
}

function tcpServer(settings: ConfSettings, ports: number[]): string {
  return `server {
${indented(listens(settings, ports, reuseportOption(settings)))}
${moduleLine(settings)}
    set $sluice_key "@tcp*$server_port/$sluice_slot";
    js_access ${picking(settings)};
    js_preread sluice_stream.byName;
${giveBack(settings, 'sluice_stream')}${tcpLimits(settings)}
${TCP}
${chosen(settings)}
}`
}

function udpServer(settings: ConfSettings, ports: number[]): string {
  return `# What one client sends stays with one worker, so with one peer, until it is silent for half a minute. A client's address
# is easily forged, so all of them together have a limit.
server {
${indented(listens(settings, ports, ' udp reuseport'))}
${moduleLine(settings)}
    set $sluice_key "@udp*$server_port/$sluice_slot";
    limit_conn ${SHARE_ZONES.udp} ${mostSessions(settings)};
    limit_conn_log_level info;
    js_access ${picking(settings)};
    proxy_timeout 30s;
${chosen(settings)}
}`
}

function portServers(settings: ConfSettings): string[] {
  const ports = portsIn(settings.streamPorts)
  const tunable = tunablePorts(settings)
  const others = ports.filter((port) => !tunable.includes(port))
  return [
    ...(others.length === 0 ? [] : [tcpServer(settings, others)]),
    ...tunablePortServers(settings),
    ...(ports.length === 0 ? [] : [udpServer(settings, ports)]),
  ]
}

/**
 * `passthrough.conf`: the server of stream{} at a port where TLS is terminated or passed through,
 * by name.
 */
export function passthroughConf({ home }: ConfSettings): string {
  const { includes } = homePaths(home)
  return `# Sluice: in a server{} of stream{} that listens, without "ssl", where TLS clients come in. What is not passed through by
# name goes to the server of http{} that listens at hop/https.sock with "ssl"; that one sees the client's own address.
js_import sluice_stream_next_socket from "${includes}/njs/stream-next-socket.js";
js_set $sluice_tls_socket sluice_stream_next_socket.tls;
js_var $sluice_passthrough 1;
ssl_preread on;
pass "unix:${home}/hop/$sluice_tls_socket.sock";
`
}

function preflightServer(settings: ConfSettings): string {
  const { connectTimeoutMs, home } = settings
  const { preflightSocket, includes } = homePaths(home)
  return `# Whether a peer takes connections: it is connected to, sent nothing, and left again.
server {
    listen "unix:${preflightSocket}";
    js_import sluice_stream_preflight from "${includes}/njs/stream-preflight.js";
    js_preread sluice_stream_preflight.readPeer;
    js_filter sluice_stream_preflight.answer;
    preread_timeout 2s;
    proxy_next_upstream off;
    proxy_connect_timeout ${connectTimeoutMs}ms;
    proxy_pass $sluice_peer;
}`
}

function adminServer({ home }: ConfSettings): string {
  const { includes, streamSocket, hopSocket } = homePaths(home)
  return `# The controller's way in. All of it is answered here: the hop's socket is never sent anything, it only
# stays open, which is what a proxy needs.
server {
    listen "unix:${streamSocket}";
    js_import sluice_admin from "${includes}/njs/stream-admin.js";
    js_filter sluice_admin.serve;
    proxy_buffer_size 64k;
    proxy_timeout 1d;
    proxy_pass "unix:${hopSocket}";
}`
}

export function streamConf(settings: ConfSettings): string {
  const engine = settings.engine === undefined ? [] : [`js_engine ${settings.engine};`]
  return [
    '# Sluice: include this once in stream{}, beside http.conf in http{}. Written anew at each start; changes here are lost.',
    ...engine,
    zones(),
    variables(settings),
    splitClients('$sluice_slot', '$connection', SLOTS),
    splitClients('$sluice_share', 'share $connection', SHARES, 3),
    splitClients('$sluice_hash_slot', '$sluice_hash', SLOTS),
    splitClients('$sluice_hash_share', 'share $sluice_hash', SHARES),
    ...portServers(settings),
    ...receivingServers(settings),
    ...seatsConf(settings),
    preflightServer(settings),
    adminServer(settings),
    '# There may be none yet.',
    `include "${homePaths(settings.home).streamFallbackFiles}";`,
    '',
  ].join('\n\n')
}
