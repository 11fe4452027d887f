/** TLS towards clients. */
import { httpTrust, inServer, proxyProtocolOption } from './proxy-protocol.js'
import type { ConfSettings } from './conf-settings.js'
import { homePaths } from './home-paths.js'
import { printAddress } from '../contract/guard/address.js'
import { reuseportOption } from './listen.js'
import { CERTIFICATE_CACHE, cachesCertificates } from './versions.js'
import { callLimit } from './connection-limits.js'

const CACHE = `# Parsed once, not for each handshake. Where this server{} has the line itself, leave yours out.
ssl_certificate_cache ${CERTIFICATE_CACHE};
`

/**
 * `tls.conf`: shows clients the table's certificates. The module is imported here and not in
 * `http{}`, where the njs engine would make its functions anew for every request of every server.
 */
export function tlsConf(settings: ConfSettings): string {
  const { includes, ownCertificate } = homePaths(settings.home)
  const module = refusesPassedThrough(settings) ? 'certificate-http3' : 'certificate'
  const cache = cachesCertificates(settings.nginxVersion) ? CACHE : ''
  return `# Sluice: in a server{} that listens with "ssl"; the table's certificates, by the name that a client asks for.
js_import sluice_certificate from "${includes}/njs/${module}.js";
js_set $sluice_certificate sluice_certificate;
# Shown where the table has none for a name, and no default.
include "${ownCertificate}";
ssl_certificate data:$sluice_certificate;
ssl_certificate_key data:$sluice_certificate;
${cache}`
}

/**
 * stream{} passes TLS over TCP through by name, before `http{}` sees it. Nobody passes QUIC
 * through, so over QUIC such names are refused.
 */
function refusesPassedThrough({ http3, passthrough }: ConfSettings): boolean {
  return http3 && passthrough
}

/** Of `http{}`: how HTTP/3 is announced. An instance's own Alt-Svc, or a route's, goes before. */
export function http3Maps(settings: ConfSettings): string {
  const { httpsPort } = settings
  const misdirected = refusesPassedThrough(settings)
  const refusing = `# TCP for this port comes in by a socket, without a port.
map $server_port $sluice_over_quic { default ''; ${httpsPort} 1; }
map $http3 $sluice_misdirected { volatile; default $sluice_passed_through; '' ''; }
`
  return `${misdirected ? refusing : ''}map $https${misdirected ? '$sluice_misdirected' : ''}$upstream_http_alt_svc $sluice_alt_svc {
    volatile;
    default '';
    on 'h3=":${httpsPort}"; ma=86400';
    on1 clear;
}`
}

/** `http3.conf`: beside `tls.conf`, for a server that listens with `quic`. */
export function http3Conf(settings: ConfSettings): string {
  const refusing = `# A name that TLS is passed through for, asked for over another name's connection: the client is to come over TCP.
js_set $sluice_passed_through sluice_certificate.passedThrough;
if ($sluice_misdirected) {
    return 421;
}
`
  return `# Sluice: in the server{} that includes tls.conf and listens with "quic". A location with an add_header of its own repeats this one.
http3 on;
add_header Alt-Svc $sluice_alt_svc always;
${refusesPassedThrough(settings) ? refusing : ''}`
}

/** Keys that are made for each connection, and ciphers that authenticate what they hide. */
const DEFAULT_CIPHERS = 'ECDHE+AESGCM:ECDHE+CHACHA20'

/** The server that speaks TLS beside the one that does not. */
export function httpsServer(settings: ConfSettings, httpsPort: number): string {
  const { includes, httpsSocket } = homePaths(settings.home)
  const { passthrough, bind, http3 } = settings
  const address = `${printAddress(bind, httpsPort)}`
  const listen = passthrough ? `"unix:${httpsSocket}"` : address
  // What stream{} hands off has the client's address already.
  const mark = passthrough
    ? ''
    : proxyProtocolOption(settings, httpsPort) + reuseportOption(settings)
  const trust = httpTrust(settings, passthrough ? undefined : httpsPort)
  const quic = `        listen ${address} quic reuseport;
        include "${includes}/http3.conf";
`
  return `    server {
        listen ${listen} ssl default_server${mark};
${http3 ? quic : ''}${inServer(trust)}        http2 on;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_ciphers "${settings.tlsCiphers ?? DEFAULT_CIPHERS}";
        ssl_session_cache shared:sluice_session:8m;
        ssl_session_timeout 1h;
        client_max_body_size ${settings.maxBodyBytes};
        ${settings.hasGrpc ? `${callLimit(settings).join('\n        ')}\n        ` : ''}include "${includes}/tls.conf";
        include "${includes}/${settings.hasGrpc ? 'grpc' : 'server'}.conf";
    }
`
}
