/** How nginx reaches peers over TLS. */
import type { ConfSettings } from './conf-settings.js'
import { homePaths } from './home-paths.js'
import { CERTIFICATE_CACHE, cachesCertificates } from './versions.js'

export interface PeerTlsConf {
  /** Variables with the name that peers are asked by, and the certificate for them. */
  name?: string
  certificate?: string
  /** Whether their certificates are verified; true by default. */
  isVerified?: boolean
}

/** Directives of one of nginx's modules. */
export function peerTls(
  module: 'proxy' | 'grpc',
  { home, nginxVersion }: ConfSettings,
  { name, certificate, isVerified = true }: PeerTlsConf = {},
): string[] {
  const { includes } = homePaths(home)
  const shown = certificate ?? '$sluice_tls_certificate'
  const cache = cachesCertificates(nginxVersion) ? [`certificate_cache ${CERTIFICATE_CACHE}`] : []
  const verified = [
    `trusted_certificate "${includes}/trusted-ca.pem"`,
    'verify on',
    'verify_depth 10',
  ]
  const lines = [
    `name ${name ?? '$sluice_tls_name'}`,
    'server_name on',
    // Chain and key in one text, or nothing: then none is shown.
    `certificate ${shown}`,
    `certificate_key ${shown}`,
    ...cache,
    'protocols TLSv1.2 TLSv1.3',
    ...(isVerified ? verified : ['verify off']),
  ]
  return lines.map((line) => `${module}_ssl_${line};`)
}

/**
 * The same for a whole server. A location that repeats none of them shares one TLS context with it:
 * the authorities are read once.
 */
export function peerTlsOfServer(
  module: 'proxy' | 'grpc',
  settings: ConfSettings,
  more?: PeerTlsConf,
): string {
  return `    # A location that repeats none of these shares one TLS context with the server: the authorities are read once. The
    # certificate that is shown is chain and key in one text, or nothing: then none is.
${peerTls(module, settings, more)
  .map((line) => `    ${line}`)
  .join('\n')}`
}
