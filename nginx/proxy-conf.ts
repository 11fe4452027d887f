/** What stands in a user's server or location. */
import { CONNECTION_ZONE, PEER_HEADER, PICK_HEADER, POOL } from '../contract/zones.js'
import { homePaths, speaksHttp11, type ConfSettings } from './settings.js'

/** `headers.conf`: what peers are told about the client. */
export function headersConf(): string {
  return `# Sluice: the headers that a peer gets.
proxy_set_header Host $sluice_host;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection $sluice_connection;
proxy_set_header X-Real-IP $remote_addr;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Forwarded-Host $sluice_host;
proxy_set_header X-Forwarded-Port $server_port;
proxy_set_header Proxy "";
`
}

/**
 * `pass.conf`: the pick itself. Directives that may stand only once in a location are kept out, so that a user's own beside
 * the include are never "duplicate".
 */
export function passConf({ pool, nginxVersion }: ConfSettings): string {
  // Drawn where it is set, so that a request that an error_page sends on to a location with another upstream draws anew.
  const drawn = ['set $sluice_sid $sluice_draw;', 'set $sluice_worker $pid;']
  const counted = [...drawn, `limit_conn ${CONNECTION_ZONE} 65535;`]
  const version = [
    '# The default from nginx 1.29.7 on. Where you have this line yourself, leave yours out.',
    'proxy_http_version 1.1;',
  ]
  return `# Sluice: picks a peer for $sluice_key and passes the request on.
${[...(pool ? counted : []), ...(speaksHttp11(nginxVersion) ? [] : version)].join('\n')}
proxy_set_header ${PICK_HEADER} "$sluice_key $sluice_sid";
proxy_hide_header ${PEER_HEADER};
proxy_pass http://${POOL};
`
}

/** `proxy.conf`: for a location of the user's, after `set $sluice_upstream web;`. */
export function proxyConf({ home }: ConfSettings): string {
  const { includes } = homePaths(home)
  return `# Sluice: in any location, after "set $sluice_upstream <name>;". For headers of your own, put these two lines and
# your proxy_set_header lines in its place, without the one that includes headers.conf.
set $sluice_key ":$sluice_upstream/$sluice_slot";
include "${includes}/headers.conf";
include "${includes}/pass.conf";
`
}

/** `server.conf`: for a server of the user's, all of which the table routes by host and path. */
export function serverConf({ home, connectTimeoutMs }: ConfSettings): string {
  const { includes } = homePaths(home)
  return `# Sluice: in a server{}; the table's routes say where a request goes.
location / {
    set $sluice_key "@$host/$sluice_slot";
    proxy_connect_timeout ${connectTimeoutMs}ms;
    # Server-sent events and other slow answers pass as they come.
    proxy_buffering off;
    include "${includes}/headers.conf";
    include "${includes}/pass.conf";
}
`
}
