/**
 * Connections that one server of stream{} hands off to another, by `pass`. The port, or the name
 * that the client asks for, says to which. Where nginx takes a value from no variable there is a
 * server for each value.
 */
import { portsIn } from '../contract/guard/ports.js'
import { TUNED_CONDITION, allTunings, tuningName } from '../contract/record/tuning.js'
import type { Tuning } from '../contract/record/tuning.js'
import { PROXY_PROTOCOL_OPTION, proxyProtocolOption, streamTrust } from './proxy-protocol.js'
import type { ConfSettings } from './conf-settings.js'
import { homePaths, tuneSocket } from './home-paths.js'
import { indented } from './indented.js'
import { listens, reuseportOption } from './listen.js'
import { SHARE_ZONES, mostSessions } from './connection-limits.js'

/** Not in stream{} itself: the servers that hand off would pay for it. */
export function moduleLine({ home }: ConfSettings): string {
  return `    js_import sluice_stream from "${homePaths(home).includes}/njs/stream.js";`
}

/** How a server that has chosen a peer connects to it. */
export function chosen(settings: ConfSettings): string {
  return `    proxy_connect_timeout ${settings.connectTimeoutMs}ms;
    proxy_pass $sluice_peer;`
}

/** What was counted for a peer that refused is given back. */
export function giveBack({ seats }: ConfSettings, module: string): string {
  return seats === true ? `    js_filter ${module}.giveBack;\n` : ''
}

export const TCP = `    proxy_socket_keepalive on;
    tcp_nodelay on;`

/** How many connections there may be, and for how long they may be silent. */
export function tcpLimits(settings: ConfSettings): string {
  return `    limit_conn ${SHARE_ZONES.tcp} ${mostSessions(settings)};
    limit_conn_log_level info;
    proxy_timeout ${settings.tcpIdleMs}ms;`
}

/**
 * Ports whose connections are handed off: those that are set up for tuned routes, and those where
 * the PROXY protocol is spoken. Of the latter nginx never goes on with a connection that had to
 * wait for njs after its header, but with one that was handed off it does.
 */
export function tunablePorts(settings: ConfSettings): number[] {
  const tuned = portsIn(settings.tunedPorts)
  return portsIn(settings.streamPorts).filter(
    (port) => tuned.includes(port) || proxyProtocolOption(settings, port) !== '',
  )
}

/** The servers at those ports. They choose no peer. */
export function tunablePortServers(settings: ConfSettings): string[] {
  const { home } = settings
  const ports = tunablePorts(settings)
  const proxied = ports.filter((port) => proxyProtocolOption(settings, port) !== '')
  const plain = ports.filter((port) => !proxied.includes(port))
  const lines = [
    ...listens(settings, plain, reuseportOption(settings)),
    ...listens(settings, proxied, PROXY_PROTOCOL_OPTION + reuseportOption(settings)),
    ...streamTrust(settings, proxied),
  ]
  return ports.length === 0
    ? []
    : [
        `server {
${indented(lines)}
    js_import sluice_stream_next_socket from "${homePaths(home).includes}/njs/stream-next-socket.js";
    js_set $sluice_port_socket sluice_stream_next_socket.port;
    pass "unix:${home}/hop/$sluice_port_socket.sock";
}`,
        sniServer(settings),
      ]
}

function sniServer({ home }: ConfSettings): string {
  const { includes, sniSocket } = homePaths(home)
  return `# Ports with names: the client speaks first.
server {
    listen "unix:${sniSocket}";
    js_import sluice_stream_sni_socket from "${includes}/njs/stream-sni-socket.js";
    js_preread sluice_stream_sni_socket;
    pass "unix:${home}/hop/$sluice_sni_socket.sock";
}`
}

/**
 * The servers that choose peers: one connects too; the other hands a tuned connection off once
 * more, to the server for its tuning.
 */
function choosingServers(settings: ConfSettings): string[] {
  const { includes, untunedSocket, tunedSocket } = homePaths(settings.home)
  const common = `    js_import sluice_stream_handoff from "${includes}/njs/stream-handoff.js";
    set $${TUNED_CONDITION} 1;
${tcpLimits(settings)}`
  return [
    `server {
    listen "unix:${untunedSocket}";
${common}
    js_access sluice_stream_handoff.untuned;
${giveBack(settings, 'sluice_stream_handoff')}${TCP}
${chosen(settings)}
}`,
    `server {
    listen "unix:${tunedSocket}";
${common}
    js_access sluice_stream_handoff.tuned;
    js_set $sluice_tuning sluice_stream_handoff.tuning;
    pass "unix:${settings.home}/hop/tune$sluice_tuning.sock";
}`,
  ]
}

/**
 * nginx's own header would name the socket as the address that the client came to. So njs replaces
 * it.
 */
const PROXY_HEADER = ['proxy_protocol on;', 'js_filter sluice_stream_connect.sendHeader;']

function tunedServer(settings: ConfSettings, tuning: Tuning): string {
  const { home, connectTimeoutMs } = settings
  const { timeouts, proxyProtocol } = tuning
  return `server {
${indented([
  `listen "unix:${tuneSocket(home, tuningName(tuning))}";`,
  `js_import sluice_stream_connect from "${homePaths(home).includes}/njs/stream-connect.js";`,
  'js_set $sluice_tuned_peer sluice_stream_connect.peer;',
  `proxy_timeout ${timeouts?.idleMs ?? settings.tcpIdleMs}ms;`,
  ...(proxyProtocol === undefined ? [] : PROXY_HEADER),
  `proxy_connect_timeout ${connectTimeoutMs}ms;`,
  'proxy_pass $sluice_tuned_peer;',
])}
${TCP}
}`
}

/** The servers that connections are handed off to. */
export function receivingServers(settings: ConfSettings): string[] {
  const isNeeded = settings.passthrough || tunablePorts(settings).length > 0
  const each = allTunings().map((tuning) => tunedServer(settings, tuning))
  return isNeeded ? [...choosingServers(settings), ...each] : []
}
