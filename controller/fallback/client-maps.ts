/**
 * What an nginx without Sluice in front of it knows of a client: the host that was routed, and whom
 * to believe.
 */
import { LEAVING_PATH, LINE_PORT, SAME_HOST } from '../../contract/guard/client-patterns.js'
import { forwardedMaps } from '../../contract/guard/forwarded-maps.js'
import { otherSpellings } from '../../contract/guard/header-names.js'
import { plain, quotedWord, raw } from './conf-writer.js'
import type { ConfWriter, Word } from './conf-writer.js'

export type Header = [name: string, value: Word]

/** What the servers in front tell an upstream about the client. */
export function frontHeaders(isTrusting: boolean): Header[] {
  const client = (name: string, own: string): Word =>
    plain(isTrusting ? `$sluice_client_${name}` : own)
  const headers: Header[] = [
    ['Host', plain('$sluice_host')],
    ['Upgrade', plain('$sluice_upgrade')],
    ['Connection', plain('$sluice_connection')],
    ['X-Real-IP', plain('$remote_addr')],
    ['X-Forwarded-For', client('for', '$remote_addr')],
    ['X-Forwarded-Proto', client('proto', '$scheme')],
    ['X-Forwarded-Host', client('host', '$sluice_host')],
    ['X-Forwarded-Port', client('port', '$server_port')],
    ['Forwarded', isTrusting ? plain('$sluice_client_forwarded') : quotedWord('')],
    ['Proxy', quotedWord('')],
  ]
  const spelled = headers.flatMap(([name]) => otherSpellings(name))
  return [...headers, ...spelled.map((name): Header => [name, quotedWord('')])]
}

function map(out: ConfWriter, source: Word, name: string, rows: Array<[Word, Word]>): void {
  out.block('map', [source, plain(`$${name}`)], () => rows.forEach((row) => out.entry(...row)))
}

const DEFAULT = plain('default')

/** The first line of a request, where it names a host, comes before its header. */
function hostMap(out: ConfWriter): void {
  map(out, plain('$server_addr'), 'sluice_own_address', [
    [DEFAULT, raw('$server_addr:$server_port')],
    [raw('~^unix:'), plain('localhost')],
    [raw('~:'), raw('[$server_addr]:$server_port')],
  ])
  map(out, plain('$request'), 'sluice_line_host', [
    [DEFAULT, plain('$host')],
    [raw(LINE_PORT), raw('$host$sluice_line_port')],
  ])
  map(out, raw('$host $http_host'), 'sluice_host', [
    [DEFAULT, plain('$sluice_line_host')],
    [raw('~^ '), plain('$sluice_own_address')],
    [raw(SAME_HOST), plain('$http_host')],
  ])
}

/** `sender`: the variable of the address that a request came from. */
function trustMaps(out: ConfWriter, trustedProxies: string[], sender: string): void {
  out.block('geo', [plain(sender), plain('$sluice_trusted')], () => {
    out.entry(DEFAULT, quotedWord(''))
    trustedProxies.forEach((network) => out.entry(plain(network), plain('1')))
  })
  for (const { source, name, rows } of forwardedMaps(sender, '$server_port')) {
    const words = rows.map(([pattern, value]): [Word, Word] => [raw(pattern), raw(value)])
    map(out, raw(source), name, words)
  }
}

export interface ClientTrust {
  /** Networks that are believed; by default none. */
  trustedProxies?: string[]
  /** Whether nginx can take a client's address from a header; the user's lines say so then. */
  hasRealip?: boolean
  rawPaths?: boolean
}

export function clientMaps(
  out: ConfWriter,
  { trustedProxies = [], hasRealip = false, rawPaths = false }: ClientTrust,
): void {
  hostMap(out)
  if (trustedProxies.length > 0) {
    trustMaps(out, trustedProxies, hasRealip ? '$realip_remote_addr' : '$remote_addr')
  }
  map(out, plain('$request_uri'), 'sluice_path_leaves', [
    [DEFAULT, quotedWord('')],
    ...(rawPaths ? [] : [[raw(LEAVING_PATH), plain('1')] as [Word, Word]]),
  ])
}
