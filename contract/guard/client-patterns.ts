/**
 * Patterns for nginx's maps of what clients and proxies say: hosts, ports, schemes, paths. They are
 * regular expressions as nginx has them, to stand between double quotes.
 */

/**
 * Of `$request_uri`: a path that an application may read in another way than nginx, with `..`,
 * however it and the slashes beside it are written. For nginx a path ends at `#`, which no client
 * may send; applications may read on.
 */
export const LEAVING_PATH =
  '~*^[^?]*(?:/|%2f|\\x5c|%5c)(?:[.]|%2e)(?:[.]|%2e)(?:[;/?#\\x5c]|%2f|%5c|$)'

/** `..` as a part of a path, in each way in which it and what is beside it may be written. */
const PARENT = /(?:\/|%2f|\\|%5c)(?:\.|%2e){2}(?:[;/#\\]|%2f|%5c|$)/i

/** Whether `$request_uri` is such a path: what LEAVING_PATH says in nginx. */
export function isLeavingPath(target: string): boolean {
  const end = target.indexOf('?')
  return PARENT.test(end < 0 ? target : target.slice(0, end))
}

/** For `$request`: the host in the first line has a port, which `$sluice_line_port` then has. */
export const LINE_PORT = '~*^\\S+ [a-z0-9+.-]+://[^/?# ]*(?<sluice_line_port>:[0-9]{1,5})(?:[/?# ])'

/** For `$host $http_host`: the Host header names the host that was routed. */
export const SAME_HOST = '~*^(\\S+) \\1\\.?(?::[0-9]{1,5})?$'

const HOST = '(?:[A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])(?::[0-9]{1,5})?'

/** The last host of a list, with its port if it has one: it comes to stand in `variable`. */
export function lastHost(variable: string): string {
  return `~^1(?:.*[, ])?(?<${variable}>${HOST})$`
}

/** The same for the header `Forwarded`. */
export function forwardedHost(variable: string): string {
  return `~*^(?:.*[;, ])?host=\\"?(?<${variable}>${HOST})\\"?(?:[;, ]|$)`
}

/** Schemes of `X-Forwarded-Proto`, after a 1 where its sender is trusted; of several the last. */
export const TLS_SCHEME = '~*^1(?:.*[, ])?(?:https|wss)$'
export const PLAIN_SCHEME = '~*^1(?:.*[, ])?(?:http|ws)$'

/** For a 1, the sender's ports and its scheme: the last port comes to stand in `variable`. */
export function lastPort(variable: string): string {
  return `~^1(?:[^ ]*,)?(?<${variable}>[0-9]{1,5}) `
}

/** The same where no port is named: then it is the scheme's usual one. */
export const TLS_PORT = '~*^1 (?:.*[, ])?(?:https|wss)$'
export const PLAIN_PORT = '~*^1 (?:.*[, ])?(?:http|ws)$'
