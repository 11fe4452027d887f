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
  /** The first one, `default`, holds where none fits. */
  rows: Array<[pattern: string, value: string]>
}

/** Of a list what stands before the client's own address is only what the client says. */
function addressMap(sender: string): NginxMap {
  return {
    source: '$sluice_trusted$remote_addr ' + sender + ' $http_x_forwarded_for',
    name: 'sluice_told_for',
    rows: [
      ['default', '$remote_addr'],
      // nginx was not told to take the client's address from there.
      ['~^1(\\S+) \\1 (?<sluice_told_list>.+)$', '$sluice_told_list, ' + sender],
      [
        '~^1(\\S+) \\S+ (?:.*[, ])?(?<sluice_told_chain>\\1(?:,.*)?)$',
        '$sluice_told_chain, ' + sender,
      ],
    ],
  }
}

const BY_FORWARDED: NginxMap[] = [
  {
    source: '$sluice_trusted$http_forwarded',
    name: 'sluice_told_forwarded',
    rows: [
      ['default', ''],
      ['~^1(?<sluice_told_elements>.+)$', '$sluice_told_elements'],
    ],
  },
  {
    source: '$sluice_told_forwarded',
    name: 'sluice_forwarded_proto',
    rows: [
      ['default', '$scheme'],
      ['~*^(?:.*[;, ])?proto=\\"?https\\"?(?:[;, ]|$)', 'https'],
      ['~*^(?:.*[;, ])?proto=\\"?http\\"?(?:[;, ]|$)', 'http'],
    ],
  },
  {
    source: '$sluice_told_forwarded',
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
      name: 'sluice_told_proto',
      rows: [
        ['default', '$scheme'],
        ['1', '$sluice_forwarded_proto'],
        [TLS_SCHEME, 'https'],
        [PLAIN_SCHEME, 'http'],
      ],
    },
    {
      source: '$sluice_trusted$http_x_forwarded_host',
      name: 'sluice_told_host',
      rows: [
        ['default', '$sluice_host'],
        ['1', '$sluice_forwarded_host'],
        [lastHost('sluice_told_name'), '$sluice_told_name'],
      ],
    },
    {
      source: '$sluice_trusted$http_x_forwarded_port $http_x_forwarded_proto',
      name: 'sluice_told_port',
      rows: [
        ['default', port],
        [lastPort('sluice_told_number'), '$sluice_told_number'],
        // Who ends TLS and names no port is at the usual one.
        [TLS_PORT, '443'],
        [PLAIN_PORT, '80'],
      ],
    },
  ]
}

/**
 * `sluice_told_for`, `_proto`, `_host`, `_port` and `_forwarded`. Where `$sluice_trusted` is 1,
 * they are what the sender says: of a list the last entry, which is the sender's own.
 *
 * `sender`: the variable of the sender's address, also where `$remote_addr` was taken from a
 * header; `port`: that of the port that the client came to.
 */
export function forwardedMaps(sender: string, port: string): NginxMap[] {
  return [addressMap(sender)].concat(BY_FORWARDED, headerMaps(port))
}
