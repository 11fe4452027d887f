/**
 * How the peers of an upstream are reached over TLS, and its guard. Same promises as the guards in
 * instance-record.ts.
 */
import { parseIp } from '../guard/address.js'
import { brokenRule, guardShape, right, wrong } from '../guard/guarded.js'
import type { Guarded, FieldRule } from '../guard/guarded.js'
import { isHost, isName } from '../guard/names.js'

/** `upstreams/<upstream>`, in `tls`: every instance of the upstream is spoken to over TLS. */
export interface PeerTls {
  /**
   * The name that peers are asked for (SNI), and that their certificate must be for; lower case.
   * Absent: none is asked for.
   */
  serverName?: string
  /**
   * Whether the certificate must be for `serverName` and by an authority that the gateway trusts.
   */
  verify: boolean
  /**
   * Id of the certificate that the gateway shows to peers, one that is for this. Absent: it shows
   * none.
   */
  certificate?: string
}

function isServerName(value: unknown): boolean {
  return isHost(value) && parseIp(value) === null
}

const RULES: FieldRule[] = [
  ['serverName', isServerName, 'must be a host name such as shop.internal, in lower case'],
  ['verify', (value) => typeof value === 'boolean', 'must be true or false'],
  ['certificate', isName, 'must be the id of a certificate'],
]

/**
 * `{serverName: "shop.internal"}` → the same with `verify` true. Instances are addresses, so what
 * is verified needs a name.
 */
export function guardPeerTls(value: unknown): Guarded<PeerTls> {
  const shape = guardShape(value, ['serverName', 'verify', 'certificate'])
  if (!shape.ok) {
    return shape
  }
  const fields = Object.assign({ verify: true }, shape.value)
  const bad = brokenRule(fields, RULES, [])
  if (bad !== undefined) {
    return wrong(bad[0], bad[2])
  }
  return fields.verify && fields.serverName === undefined
    ? wrong(
        'serverName',
        'is missing: it is what a certificate is verified for; or set verify to false',
      )
    : right(fields as PeerTls)
}
