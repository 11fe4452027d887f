/**
 * What is believed of a proxy in front, as maps of nginx's. A gateway and an nginx in file mode
 * have the same ones. Their sources and patterns stand between double quotes.
 */
import {
  PLAIN_PORT,
  PLAIN_SCHEME,
  TLS_PORT,
  TLS_SCHEME,
  forwardedHost,
  lastHost,
  lastPort,
} from './client-patterns.js'

export interface NginxMap {
  source: string
  /** Without its `$`. */
  name: string
  /** The first one is `default`. */
  rows: Array<[pattern: string, value: string]>
}

/** In a list, all before the client's own address is only what the client says. */
function addressMap(sender: string): NginxMap {
  return {
    source: '$sluice_trusted$remote_addr ' + sender + ' $http_x_forwarded_for',
    name: 'sluice_client_for',
    rows: [
      ['default', '$remote_addr'],
      // nginx does not take the client's address from there.
      ['~^1(\\S+) \\1 (?<sluice_client_list>.+)$', '$sluice_client_list, ' + sender],
      [
        '~^1(\\S+) \\S+ (?:.*[, ])?(?<sluice_client_chain>\\1(?:,.*)?)$',
        '$sluice_client_chain, ' + sender,
      ],
    ],
  }
}

const BY_FORWARDED: NginxMap[] = [
  {
    source: '$sluice_trusted$http_forwarded',
    name: 'sluice_client_forwarded',
    rows: [
      ['default', ''],
      ['~^1(?<sluice_client_elements>.+)$', '$sluice_client_elements'],
    ],
  },
  {
    source: '$sluice_client_forwarded',
    name: 'sluice_forwarded_proto',
    rows: [
      ['default', '$scheme'],
      ['~*^(?:.*[;, ])?proto=\\"?https\\"?(?:[;, ]|$)', 'https'],
      ['~*^(?:.*[;, ])?proto=\\"?http\\"?(?:[;, ]|$)', 'http'],
    ],
  },
  {
    source: '$sluice_client_forwarded',
    name: 'sluice_forwarded_host',
    rows: [
      ['default', '$sluice_host'],
      [forwardedHost('sluice_forwarded_name'), '$sluice_forwarded_name'],
    ],
  },
]

/** Where the sender's own header says nothing, `Forwarded` does. */
function headerMaps(port: string): NginxMap[] {
  return [
    {
      source: '$sluice_trusted$http_x_forwarded_proto',
      name: 'sluice_client_proto',
      rows: [
        ['default', '$scheme'],
        ['1', '$sluice_forwarded_proto'],
        [TLS_SCHEME, 'https'],
        [PLAIN_SCHEME, 'http'],
      ],
    },
    {
      source: '$sluice_trusted$http_x_forwarded_host',
      name: 'sluice_client_host',
      rows: [
        ['default', '$sluice_host'],
        ['1', '$sluice_forwarded_host'],
        [lastHost('sluice_client_name'), '$sluice_client_name'],
      ],
    },
    {
      source: '$sluice_trusted$http_x_forwarded_port $http_x_forwarded_proto',
      name: 'sluice_client_port',
      rows: [
        ['default', port],
        [lastPort('sluice_client_number'), '$sluice_client_number'],
        // Who ends TLS and names no port is at the usual one.
        [TLS_PORT, '443'],
        [PLAIN_PORT, '80'],
      ],
    },
  ]
}

/**
 * `sluice_client_for`, `_proto`, `_host`, `_port` and `_forwarded`. Where `$sluice_trusted` is 1,
 * they are what the sender says: of a list the last entry, which is the sender's own.
 *
 * `sender`: the variable of the sender's address, also where `$remote_addr` was taken from a
 * header; `port`: that of the port that the client came to.
 */
export function forwardedMaps(sender: string, port: string): NginxMap[] {
  return [addressMap(sender)].concat(BY_FORWARDED, headerMaps(port))
}
