/**
 * The headers that say to instances who the client is. What a trusted proxy in front says of the
 * client is believed. What anybody else says is dropped.
 */
import { forwardedMaps } from '../contract/guard/forwarded-maps.js'
import type { NginxMap } from '../contract/guard/forwarded-maps.js'
import type { ConfSettings } from './conf-settings.js'

type Header = [name: string, value: string]

/**
 * The port that the client came to. Where stream{} handed the connection off, http{} knows only a
 * socket.
 */
function clientPort({ passthrough }: ConfSettings): string {
  return passthrough ? '$sluice_port' : '$server_port'
}

/** Headers and their values. `$sluice_client_…` exist only where some proxy is trusted. */
export function clientHeaders(settings: ConfSettings): Header[] {
  const [chain, scheme, host, port, forwarded] =
    settings.trustedProxies.length === 0
      ? ['$remote_addr', '$scheme', '$sluice_host', clientPort(settings), '""']
      : ['for', 'proto', 'host', 'port', 'forwarded'].map((name) => `$sluice_client_${name}`)
  return [
    ['X-Real-IP', '$remote_addr'],
    ['X-Forwarded-For', chain as string],
    ['X-Forwarded-Proto', scheme as string],
    ['X-Forwarded-Host', host as string],
    ['X-Forwarded-Port', port as string],
    ['Forwarded', forwarded as string],
  ]
}

/** The variable that has the client's scheme. */
export function clientScheme({ trustedProxies }: ConfSettings): string {
  return trustedProxies.length === 0 ? '$scheme' : '$sluice_client_proto'
}

/**
 * The address of who sent the request, for the question whether it is trusted. The client's address
 * is not that where nginx took it from a header; where nginx took it from the PROXY protocol it is,
 * since whoever speaks that does not look into headers.
 */
function sender({ hasRealip }: ConfSettings): string {
  return `map $proxy_protocol_addr $sluice_sender {
    default $remote_addr;
    '' ${hasRealip ? '$realip_remote_addr' : '$remote_addr'};
}`
}

function printed({ source, name, rows }: NginxMap): string {
  const lines = rows.map(([pattern, value]) => `    "${pattern}" "${value}";`)
  return `map "${source}" $${name} {\n${lines.join('\n')}\n}`
}

/** Maps for `http{}`; '' where nobody is trusted. */
export function trustMaps(settings: ConfSettings): string {
  const { trustedProxies, hasRealip } = settings
  const last = hasRealip ? '$realip_remote_addr' : '$remote_addr'
  const maps = forwardedMaps(last, clientPort(settings))
  return trustedProxies.length === 0
    ? ''
    : `# What proxies in front say of a client, where they are trusted.
${sender(settings)}
geo $sluice_sender $sluice_trusted {
    default '';
${trustedProxies.map((network) => `    ${network} 1;`).join('\n')}
}
${maps.map(printed).join('\n')}`
}
