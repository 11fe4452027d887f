/** Seats: upstream{}s of stream{} that hold one peer each, and the server that is behind them. */
import { SEATS, seatName } from '../contract/seat.js'
import { chosen } from './handoff-conf.js'
import type { ConfSettings } from './conf-settings.js'
import { homePaths, rescueSocket } from './home-paths.js'

const NUMBERS = Array.from({ length: SEATS }, (_, seat) => seat)

/** They share one zone; a peer takes about 1 KB of it. */
const ZONE_BYTES = '1m'

function seat({ home, poolPort }: ConfSettings, number: number): string {
  const size = number === 0 ? ` ${ZONE_BYTES}` : ''
  return `upstream ${seatName(number)} {
    zone sluice_seats${size};
    resolver 127.0.0.1:${poolPort} ipv6=off;
    resolver_timeout 10s;
    server s${number}.pool.sluice service=_seat._tcp resolve max_fails=0;
    server "unix:${rescueSocket(home, number)}" backup max_fails=0;
}`
}

/** The server knows by the socket which seat's peer refused, and tries another one. */
function rescueServer(settings: ConfSettings): string {
  const { home, tcpIdleMs } = settings
  const listening = NUMBERS.map((number) => `    listen "unix:${rescueSocket(home, number)}";`)
  return `# Where a connection goes on that the peer of a seat refused.
server {
${listening.join('\n')}
    js_import sluice_stream_rescue from "${homePaths(home).includes}/njs/stream-rescue.js";
    js_access sluice_stream_rescue;
    proxy_timeout ${tcpIdleMs}ms;
    proxy_socket_keepalive on;
    tcp_nodelay on;
${chosen(settings)}
}`
}

/** Nothing where nginx cannot have them. */
export function seatsConf(settings: ConfSettings): string[] {
  return settings.seats === true
    ? [
        '# Seats: each holds one peer. Where that refuses, nginx goes on at the socket behind it.',
        ...NUMBERS.map((number) => seat(settings, number)),
        rescueServer(settings),
      ]
    : []
}
