/** `stream.conf`: what stands once in `stream{}`, for routes of connections; and `passthrough.conf`. */
import { portsIn, printPorts } from '../contract/ports.js'
import { SHARES, SLOTS, STREAM_ZONES } from '../contract/zones.js'
import { MARK, proxiedMark, streamTrust } from './proxied.js'
import { homePaths, listenAddress, type ConfSettings } from './settings.js'
import { splitClients } from './split-clients.js'

function zones(): string {
  const { table, active, load, counter, event, handed } = STREAM_ZONES
  return `js_shared_dict_zone zone=${table}:8m;
js_shared_dict_zone zone=${active}:1m type=number;
js_shared_dict_zone zone=${load}:4m type=number;
js_shared_dict_zone zone=${counter}:64k type=number;
js_shared_dict_zone zone=${event}:512k;
js_shared_dict_zone zone=${handed}:1m;`
}

function variables({ home, streamPorts }: ConfSettings): string {
  return `js_var $sluice_ports "${streamPorts}";
js_var $sluice_probe_socket "${homePaths(home).probeSocket}";
js_var $sluice_key '';
js_var $sluice_peer '';
js_var $sluice_hash '';`
}

/** What `listen` has for some of the ports, those that follow each other as one. */
function listens({ bind }: ConfSettings, ports: number[], more: string): string[] {
  const ranges = printPorts(ports).split(' ').filter(Boolean)
  return ranges.map((range) => `listen ${listenAddress(bind)}:${range}${more};`)
}

function indented(lines: string[]): string {
  return lines.map((line) => `    ${line}`).join('\n')
}

/** How a server goes on that has chosen a peer. */
function chosen(settings: ConfSettings): string {
  return `    proxy_connect_timeout ${settings.connectTimeoutMs}ms;
    proxy_pass $sluice_peer;`
}

const TCP = `    proxy_socket_keepalive on;
    tcp_nodelay on;`

function tcpServer(settings: ConfSettings, ports: number[]): string {
  return `server {
${indented(listens(settings, ports, ''))}
${moduleLine(settings)}
    set $sluice_key "@tcp*$server_port/$sluice_slot";
    js_access sluice_stream.pick;
    js_preread sluice_stream.named;
${TCP}
${chosen(settings)}
}`
}

function udpServer(settings: ConfSettings, ports: number[]): string {
  return `# What one client sends stays with one worker, so with one peer, until it is silent for a minute.
server {
${indented(listens(settings, ports, ' udp reuseport'))}
${moduleLine(settings)}
    set $sluice_key "@udp*$server_port/$sluice_slot";
    js_access sluice_stream.pick;
    proxy_timeout 1m;
${chosen(settings)}
}`
}

/** nginx takes up no connection again that began with a header for it and had to wait for an answer; one that is handed on it does. */
function proxiedServer(settings: ConfSettings, ports: number[]): string {
  const { home } = settings
  const lines = [...listens(settings, ports, MARK), ...streamTrust(settings, ports)]
  return `# Proxies in front say whose connection it is.
server {
${indented(lines)}
    js_import sluice_way from "${homePaths(home).includes}/njs/way.js";
    js_set $sluice_onward sluice_way.port;
    pass "unix:${home}/hop/$sluice_onward.sock";
}`
}

/** Those that were handed on. */
function handedServers(settings: ConfSettings): string[] {
  const { includes, namedSocket, tuneSocket } = homePaths(settings.home)
  return [
    `# Ports with names: the client speaks first.
server {
    listen "unix:${namedSocket}";
    js_import sluice_named from "${includes}/njs/named.js";
    js_preread sluice_named;
    pass "unix:${tuneSocket}";
}`,
    `server {
    listen "unix:${tuneSocket}";
${moduleLine(settings)}
    js_access sluice_stream.handed;
${TCP}
${chosen(settings)}
}`,
  ]
}

function portServers(settings: ConfSettings): string[] {
  const ports = portsIn(settings.streamPorts)
  const proxied = ports.filter((port) => proxiedMark(settings, port) !== '')
  const others = ports.filter((port) => !proxied.includes(port))
  return [
    ...(others.length === 0 ? [] : [tcpServer(settings, others)]),
    ...(proxied.length === 0 ? [] : [proxiedServer(settings, proxied), ...handedServers(settings)]),
    ...(ports.length === 0 ? [] : [udpServer(settings, ports)]),
  ]
}

/** Not in stream{} itself: the server that looks at each TLS connection would pay for it. */
function moduleLine({ home }: ConfSettings): string {
  return `    js_import sluice_stream from "${homePaths(home).includes}/njs/stream.js";`
}

function passServer(settings: ConfSettings): string[] {
  const { passSocket } = homePaths(settings.home)
  return settings.passthrough
    ? [
        `# TLS that is passed through by name.
server {
    listen "unix:${passSocket}";
${moduleLine(settings)}
    js_preread sluice_stream.pass;
${TCP}
${chosen(settings)}
}`,
      ]
    : []
}

/** `passthrough.conf`: the server of stream{} at a port where TLS is terminated or passed through, by name. */
export function passthroughConf({ home }: ConfSettings): string {
  const { includes } = homePaths(home)
  return `# Sluice: in a server{} of stream{} that listens, without "ssl", where TLS clients come in. What is not passed through by
# name goes to the server of http{} that listens at hop/https.sock with "ssl"; that one sees the client's own address.
js_import sluice_way from "${includes}/njs/way.js";
js_set $sluice_way sluice_way.tls;
js_var $sluice_passing 1;
ssl_preread on;
pass "unix:${home}/hop/$sluice_way.sock";
`
}

function probeServer(settings: ConfSettings): string {
  const { connectTimeoutMs, home } = settings
  const { askSocket } = homePaths(home)
  return `# Whether a peer takes connections: it is connected to, told nothing, and left again.
server {
    listen "unix:${askSocket}";
${moduleLine(settings)}
    js_preread sluice_stream.asked;
    js_filter sluice_stream.answered;
    preread_timeout 2s;
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
    ...passServer(settings),
    probeServer(settings),
    adminServer(settings),
    '',
  ].join('\n\n')
}
