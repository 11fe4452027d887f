/**
 * What an nginx without Sluice in front of it knows of a client: the host that was routed, and whom
 * to believe.
 */
import {
  LEAVING_PATH,
  LINE_PORT,
  PLAIN_PORT,
  PLAIN_SCHEME,
  SAME_HOST,
  TLS_PORT,
  TLS_SCHEME,
  lastHost,
  lastPort,
} from '../../contract/guard/client-patterns.js'
import { plain, quotedWord } from './conf-writer.js'
import type { ConfWriter, Word } from './conf-writer.js'

export type Header = [name: string, value: Word]

/** Our own text, in which regular expressions stand. */
function raw(text: string): Word {
  return { text: `"${text}"` }
}

/** What the servers in front tell an upstream about the client. */
export function frontHeaders(isTrusting: boolean): Header[] {
  const told = (name: string, own: string): Word => plain(isTrusting ? `$sluice_told_${name}` : own)
  return [
    ['Host', plain('$sluice_host')],
    ['Upgrade', plain('$sluice_upgrade')],
    ['Connection', plain('$sluice_connection')],
    ['X-Real-IP', plain('$remote_addr')],
    ['X-Forwarded-For', told('for', '$remote_addr')],
    ['X-Forwarded-Proto', told('proto', '$scheme')],
    ['X-Forwarded-Host', told('host', '$sluice_host')],
    ['X-Forwarded-Port', told('port', '$server_port')],
    ['Forwarded', isTrusting ? plain('$sluice_told_forwarded') : quotedWord('')],
    ['Proxy', quotedWord('')],
  ]
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

/** The client's address is nginx's: by directives of the user, it may come from a header. */
function toldMaps(out: ConfWriter, trustedProxies: string[]): void {
  const told = (name: string, source: string, own: string, rows: Array<[Word, Word]>): void =>
    map(out, raw(source), `sluice_told_${name}`, [[DEFAULT, plain(own)], ...rows])
  out.block('geo', [plain('$sluice_trusted')], () => {
    out.entry(DEFAULT, quotedWord(''))
    trustedProxies.forEach((network) => out.entry(plain(network), plain('1')))
  })
  told('for', '$sluice_trusted$http_x_forwarded_for', '$remote_addr', [
    [raw('~^1(?<sluice_chain>.+)$'), raw('$sluice_chain, $remote_addr')],
  ])
  map(out, raw('$sluice_trusted$http_forwarded'), 'sluice_told_forwarded', [
    [DEFAULT, quotedWord('')],
    [raw('~^1(?<sluice_elements>.+)$'), plain('$sluice_elements')],
  ])
  told('proto', '$sluice_trusted$http_x_forwarded_proto', '$scheme', [
    [raw(TLS_SCHEME), plain('https')],
    [raw(PLAIN_SCHEME), plain('http')],
  ])
  told('host', '$sluice_trusted$http_x_forwarded_host', '$sluice_host', [
    [raw(lastHost('sluice_name')), plain('$sluice_name')],
  ])
  told('port', '$sluice_trusted$http_x_forwarded_port $http_x_forwarded_proto', '$server_port', [
    [raw(lastPort('sluice_number')), plain('$sluice_number')],
    [raw(TLS_PORT), plain('443')],
    [raw(PLAIN_PORT), plain('80')],
  ])
}

export function clientMaps(out: ConfWriter, trustedProxies: string[], rawPaths: boolean): void {
  hostMap(out)
  if (trustedProxies.length > 0) {
    toldMaps(out, trustedProxies)
  }
  map(out, plain('$request_uri'), 'sluice_path_leaves', [
    [DEFAULT, quotedWord('')],
    ...(rawPaths ? [] : [[raw(LEAVING_PATH), plain('1')] as [Word, Word]]),
  ])
}
