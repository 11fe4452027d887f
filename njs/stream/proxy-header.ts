/** What an instance gets before the client's first byte: a header of the PROXY protocol 1. */

/** Both addresses are of one family. */
function asIpv6(address: string): string {
  return address.indexOf(':') < 0 ? '::ffff:' + address : address
}

/** `own`: where the client came in. */
export function proxyHeader(
  client: string,
  clientPort: string,
  own: string,
  ownPort: string,
): string {
  const isIpv6 = client.indexOf(':') >= 0 || own.indexOf(':') >= 0
  const addresses = isIpv6 ? asIpv6(client) + ' ' + asIpv6(own) : client + ' ' + own
  return (
    'PROXY TCP' + (isIpv6 ? 6 : 4) + ' ' + addresses + ' ' + clientPort + ' ' + ownPort + '\r\n'
  )
}
