/** From which version on nginx can do what its configuration depends on. */
import { atLeast } from '../contract/version.js'

/** From 1.29.4 on nginx's proxy module can speak HTTP/2 to peers. */
export function speaksH2(nginxVersion: string): boolean {
  return atLeast(nginxVersion, '1.29.4')
}

/**
 * From 1.29.3 on nginx has `$request_port`; over HTTP/3, which has no Host header, nothing else
 * passes on the port that was asked for.
 */
export function hasRequestPort(nginxVersion: string): boolean {
  return atLeast(nginxVersion, '1.29.3')
}

/** From 1.29.7 on nginx speaks HTTP/1.1 to peers unless configured otherwise. */
export function speaksHttp11(nginxVersion: string): boolean {
  return atLeast(nginxVersion, '1.29.7')
}

/** From 1.29.3 on a location's own headers of answers need not replace those of its server. */
export function mergesAnswers(nginxVersion: string): boolean {
  return atLeast(nginxVersion, '1.29.3')
}

/** From 1.27.2 on nginx passes an answer's trailers on, where it is asked to. */
export function passesTrailers(nginxVersion: string): boolean {
  return atLeast(nginxVersion, '1.27.2')
}

/**
 * How nginx caches certificates: by their text, so a renewed one is another entry at once. A text
 * that nobody asks for any more goes soon.
 */
export const CERTIFICATE_CACHE = 'max=1000 inactive=1m valid=1h'

/** From 1.27.4 on nginx caches certificates that a variable names, and their keys, parsed. */
export function cachesCertificates(nginxVersion: string): boolean {
  return atLeast(nginxVersion, '1.27.4')
}

/** From 1.29.0 on nginx passes an instance's early hints (103) on, where it is asked to. */
export function passesHints(nginxVersion: string): boolean {
  return atLeast(nginxVersion, '1.29.0')
}
