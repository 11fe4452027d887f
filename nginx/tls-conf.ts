/** TLS towards clients. */
import { httpTrust, proxiedMark } from './proxied.js'
import { homePaths, listenAddress, type ConfSettings } from './settings.js'

/**
 * `tls.conf`: shows clients the table's certificates. The module is imported here and not in `http{}`, where the njs engine would
 * make its functions anew for every request of every server.
 */
export function tlsConf({ home }: ConfSettings): string {
  const { includes, ownCertificate } = homePaths(home)
  return `# Sluice: in a server{} that listens with "ssl"; the table's certificates, by the name that a client asks for.
js_import sluice_certificate from "${includes}/njs/certificate.js";
js_set $sluice_certificate sluice_certificate;
# Shown where the table has none for a name, and no default.
include "${ownCertificate}";
ssl_certificate data:$sluice_certificate;
ssl_certificate_key data:$sluice_certificate;
`
}

/** The server that speaks TLS beside the one that does not. */
export function httpsServer(settings: ConfSettings, httpsPort: number): string {
  const { includes, httpsSocket } = homePaths(settings.home)
  const { passthrough, bind } = settings
  const listen = passthrough ? `"unix:${httpsSocket}"` : `${listenAddress(bind)}:${httpsPort}`
  // What stream{} hands on is told already whose connection it is.
  const mark = passthrough ? '' : proxiedMark(settings, httpsPort)
  const trust = passthrough ? [] : httpTrust(settings, httpsPort)
  return `    server {
        listen ${listen} ssl default_server${mark};
${trust.map((line) => `        ${line}\n`).join('')}        http2 on;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:sluice_session:8m;
        ssl_session_timeout 1h;
        client_max_body_size 0;
        include "${includes}/tls.conf";
        include "${includes}/${settings.hasGrpc ? 'grpc' : 'server'}.conf";
    }
`
}
