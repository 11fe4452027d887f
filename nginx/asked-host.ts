/** The host that a request is for: the one that was routed, whatever its headers say. */
import { LEAVING_PATH, LINE_PORT, SAME_HOST } from '../contract/guard/client-patterns.js'
import { otherSpellings } from '../contract/guard/header-names.js'
import type { ConfSettings } from './conf-settings.js'
import { hasRequestPort } from './versions.js'

/**
 * In a location: a request of HTTP/1.0 may name no host, but the hop and instances are sent
 * HTTP/1.1, which needs one.
 */
export const NAMELESS = `if ($host = '') { set $sluice_host $sluice_own_address; }`

const OWN_ADDRESS = `map $server_addr $sluice_own_address {
    default $server_addr:$server_port;
    "~^unix:" localhost;
    "~:" [$server_addr]:$server_port;
}`

/**
 * For an nginx without `$request_port`. A host in the request's first line goes before the Host
 * header (RFC 9112, 3.2.2), and its port stands nowhere else.
 */
const BY_HEADER = `map $request $sluice_line_host {
    default $host;
    "${LINE_PORT}" $host$sluice_line_port;
}
map "$host $http_host" $sluice_host {
    default $sluice_line_host;
    "${SAME_HOST}" $http_host;
}`

/** One map with one short value: to print host and port for each request would cost twice that. */
const BY_PORT = `map $request_port $sluice_host {
    default $host:$request_port;
    '' $host;
}`

/** `$sluice_host`: with the port that was asked for, if one was. */
export function askedHost({ nginxVersion }: ConfSettings): string {
  return `# The host that was routed: of a request whose first line names one, what its Host header says is not believed.
${OWN_ADDRESS}
${hasRequestPort(nginxVersion) ? BY_PORT : BY_HEADER}`
}

/**
 * `$sluice_path_leaves`: 1 for a path that an application may read as one below another prefix,
 * unless applications are to judge that themselves. A request that does not ask for it pays
 * nothing.
 */
export function pathMap({ rawPaths }: ConfSettings): string {
  return `js_var $sluice_raw_paths '${rawPaths === true ? 1 : ''}';
map $request_uri $sluice_path_leaves {
    default '';
    ${rawPaths === true ? '' : `"${LEAVING_PATH}" 1;`}
}`
}

/** Directives that send none of these headers in another spelling. They cost a request nothing. */
export function unspelled(module: 'proxy' | 'grpc', names: string[]): string[] {
  return names.flatMap(otherSpellings).map((name) => `${module}_set_header ${name} "";`)
}
