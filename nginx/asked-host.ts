/** The host that a request is for: it is the one that was routed, whatever its headers say. */
import type { ConfSettings } from './conf-settings.js'
import { tellsRequestPort } from './versions.js'

/**
 * In a location: HTTP/1.0 needs no host, but HTTP/1.1 does, which the hop and instances are sent.
 */
export const NAMELESS = `if ($host = '') { set $sluice_host $sluice_own_address; }`

const OWN_ADDRESS = `map $server_addr $sluice_own_address {
    default $server_addr:$server_port;
    "~^unix:" localhost;
    "~:" [$server_addr]:$server_port;
}`

/**
 * Without `$request_port` only the first line tells the port of a host that stands there, which
 * comes before the header (RFC 9112, 3.2.2).
 */
const BY_HEADER = `map $request $sluice_line_host {
    default $host;
    "~*^\\S+ [a-z0-9+.-]+://[^/?# ]*(?<sluice_line_port>:[0-9]{1,5})(?:[/?# ])" $host$sluice_line_port;
}
map "$host $http_host" $sluice_host {
    default $sluice_line_host;
    "~*^(\\S+) \\1\\.?(?::[0-9]{1,5})?$" $http_host;
}`

/** One map with one short value: to print host and port for each request costs as much again. */
const BY_PORT = `map $request_port $sluice_host {
    default $host:$request_port;
    '' $host;
}`

/** `$sluice_host`: with the port that was asked for, if one was. */
export function askedHost({ nginxVersion }: ConfSettings): string {
  return `# The host that was routed: of a request whose first line names one, what its Host header says is not believed.
${OWN_ADDRESS}
${tellsRequestPort(nginxVersion) ? BY_PORT : BY_HEADER}`
}

/**
 * Paths that an application may read in another way than nginx: with `..`, however it and the
 * slashes beside it are written.
 */
const ACROSS_PATTERN =
  '"~*^[^?#]*(?:/|%2f|\\x5c|%5c)(?:[.]|%2e)(?:[.]|%2e)(?:[;/?#\\x5c]|%2f|%5c|$)"'

/**
 * `$sluice_path_leaves`: 1 for such a path, unless applications are to judge that themselves. What
 * nobody asks for costs nothing.
 */
export function pathMap({ rawPaths }: ConfSettings): string {
  return `js_var $sluice_raw_paths '${rawPaths === true ? 1 : ''}';
map $request_uri $sluice_path_leaves {
    default '';
    ${rawPaths === true ? '' : `${ACROSS_PATTERN} 1;`}
}`
}

/**
 * Spellings of headers that are one variable of nginx's, and one to many applications: with
 * `underscores_in_headers on` a client could send them beside ours.
 */
export function otherSpellings(name: string): string[] {
  const [first = '', ...more] = name.split('-')
  const all = more.reduce(
    (spelled, word) => spelled.flatMap((one) => [`${one}-${word}`, `${one}_${word}`]),
    [first],
  )
  return all.filter((one) => one !== name)
}

/** Directives that send none of them. They cost a request nothing. */
export function unspelled(module: 'proxy' | 'grpc', names: string[]): string[] {
  return names.flatMap(otherSpellings).map((name) => `${module}_set_header ${name} "";`)
}
