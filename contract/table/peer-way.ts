/** In which way the peers of an upstream are reached, as names of nginx's locations end. */
import { GRPC_WAY, SHOWN } from '../servers.js'
import type { Rules } from './rules.js'

/**
 * What locations for a peer of these rules end in: `_h2` speaks HTTP/2, `_tls` and `_tls_any` TLS
 * (nginx/hop-conf.ts). gRPC has a server of its own, whose locations have the same ends.
 */
export function locationSuffix(rules: Rules | null): string {
  if (rules === null) {
    return ''
  }
  const tls = rules.tls === '' ? '' : rules.tls.indexOf('verified:') === 0 ? '_tls' : '_tls_any'
  return (rules.protocol === 'h2' ? '_h2' : '') + tls
}

export interface TlsToPeer {
  /** By which name to ask; maybe ''. */
  name: string
  /** Id of what to show; '' for nothing. */
  certificate: string
}

/** What `Rules.tls` says, in parts; null where there is no TLS. */
export function peerTlsOf(rules: Rules | null): TlsToPeer | null {
  const parts = rules === null ? [] : rules.tls.split(':')
  return parts.length < 2
    ? null
    : { name: parts[1] as string, certificate: parts[2] === undefined ? '' : parts[2] }
}

/**
 * What stands behind the SIDs of a kept slot: the end of the front's location, the name that is
 * asked for over TLS, and the id of the certificate that is shown, if one is. gRPC has a pool of
 * its own, without TLS.
 */
export function keptWay(rules: Rules): string {
  if (rules.protocol === 'grpc') {
    return GRPC_WAY + ' '
  }
  const tls = peerTlsOf(rules)
  const suffix = locationSuffix(rules)
  return tls === null || tls.certificate === ''
    ? suffix + ' ' + (tls === null ? '' : tls.name)
    : suffix + SHOWN + ' ' + tls.name + ' ' + tls.certificate
}
