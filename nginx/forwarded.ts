/**
 * What instances are told about the client. A proxy in front that is trusted is believed what it
 * says of him; what anybody else says is put away.
 */
import {
  PLAIN_PORT,
  PLAIN_SCHEME,
  TLS_PORT,
  TLS_SCHEME,
  forwardedHost,
  lastHost,
  lastPort,
} from '../contract/guard/client-patterns.js'
import type { ConfSettings } from './conf-settings.js'

type Header = [name: string, value: string]

/**
 * The port that the client came to. What stream{} handed on came in by a socket, as far as http{}
 * knows.
 */
function clientPort({ passthrough }: ConfSettings): string {
  return passthrough ? '$sluice_port' : '$server_port'
}

/** `$sluice_told_…` are there where somebody is trusted. */
export function clientHeaders(settings: ConfSettings): Header[] {
  const [chain, scheme, host, port, forwarded] =
    settings.trustedProxies.length === 0
      ? ['$remote_addr', '$scheme', '$sluice_host', clientPort(settings), '""']
      : ['for', 'proto', 'host', 'port', 'forwarded'].map((name) => `$sluice_told_${name}`)
  return [
    ['X-Real-IP', '$remote_addr'],
    ['X-Forwarded-For', chain as string],
    ['X-Forwarded-Proto', scheme as string],
    ['X-Forwarded-Host', host as string],
    ['X-Forwarded-Port', port as string],
    ['Forwarded', forwarded as string],
  ]
}

/** The scheme by which the client came, as a variable of nginx's. */
export function clientScheme({ trustedProxies }: ConfSettings): string {
  return trustedProxies.length === 0 ? '$scheme' : '$sluice_told_proto'
}

/**
 * Who sends: before nginx took the client's address from a header, and after it took it from the
 * PROXY protocol, whose speaker does not look into headers.
 */
function sender({ hasRealip }: ConfSettings): string {
  return `map $proxy_protocol_addr $sluice_sender {
    default $remote_addr;
    '' ${hasRealip ? '$realip_remote_addr' : '$remote_addr'};
}`
}

/**
 * Of a list the last entry is the trusted proxy's own. Of addresses, what stands before the
 * client's own is only what the client says.
 */
function maps(settings: ConfSettings): string {
  const last = settings.hasRealip ? '$realip_remote_addr' : '$remote_addr'
  return `map "$sluice_trusted$remote_addr ${last} $http_x_forwarded_for" $sluice_told_for {
    default $remote_addr;
    # nginx was not told to take the client's address from there.
    "~^1(\\S+) \\1 (?<sluice_told_list>.+)$" "$sluice_told_list, ${last}";
    "~^1(\\S+) \\S+ (?:.*[, ])?(?<sluice_told_chain>\\1(?:,.*)?)$" "$sluice_told_chain, ${last}";
}
map $sluice_trusted$http_forwarded $sluice_told_forwarded {
    default '';
    "~^1(?<sluice_told_elements>.+)$" $sluice_told_elements;
}
map $sluice_told_forwarded $sluice_forwarded_proto {
    default $scheme;
    "~*^(?:.*[;, ])?proto=\\"?https\\"?(?:[;, ]|$)" https;
    "~*^(?:.*[;, ])?proto=\\"?http\\"?(?:[;, ]|$)" http;
}
map $sluice_told_forwarded $sluice_forwarded_host {
    default $sluice_host;
    "${forwardedHost('sluice_forwarded_name')}" $sluice_forwarded_name;
}
map $sluice_trusted$http_x_forwarded_proto $sluice_told_proto {
    default $scheme;
    1 $sluice_forwarded_proto;
    "${TLS_SCHEME}" https;
    "${PLAIN_SCHEME}" http;
}
map $sluice_trusted$http_x_forwarded_host $sluice_told_host {
    default $sluice_host;
    1 $sluice_forwarded_host;
    "${lastHost('sluice_told_name')}" $sluice_told_name;
}
map "$sluice_trusted$http_x_forwarded_port $http_x_forwarded_proto" $sluice_told_port {
    default ${clientPort(settings)};
    "${lastPort('sluice_told_number')}" $sluice_told_number;
    # Who ends TLS and names no port is at the usual one.
    "${TLS_PORT}" 443;
    "${PLAIN_PORT}" 80;
}`
}

/** Of `http{}`; '' where nobody is trusted: nothing of it is asked then. */
export function forwardedMaps(settings: ConfSettings): string {
  const { trustedProxies } = settings
  return trustedProxies.length === 0
    ? ''
    : `# What proxies in front say of a client, where they are trusted.
${sender(settings)}
geo $sluice_sender $sluice_trusted {
    default '';
${trustedProxies.map((network) => `    ${network} 1;`).join('\n')}
}
${maps(settings)}`
}
