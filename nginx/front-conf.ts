/** The front: what stands in a user's server or location. */
import { HOP, PEER_HEADER, PICK_HEADER } from '../contract/servers.js'
import { askAccel, ignoreAccel } from './accel-conf.js'
import { NAMELESS, unspelled } from './asked-host.js'
import type { ConfSettings } from './conf-settings.js'
import { homePaths } from './home-paths.js'
import { indented } from './indented.js'
import { LARGE_HEADS, onwardLocations } from './onward-conf.js'
import { passLines, peerHeaders } from './pool-pass.js'
import { TO_HOP, TO_INSTANCES } from './upgrade-conf.js'
import { mergesAnswers, speaksHttp11 } from './versions.js'

/** `onward-headers.conf`: the same where the hop is asked, which judges more of it. */
export function onwardHeadersConf(settings: ConfSettings): string {
  return headersConf(settings, TO_HOP)
}

/** `changed-headers.conf`: the same where a route changes the Host, or sets headers beside it. */
export function changedHeadersConf(settings: ConfSettings): string {
  return headersConf(settings, TO_INSTANCES, '$sluice_act_host$sluice_act_headers')
}

/** `merged-answers.conf`: a location's headers of answers stand beside those of its server. */
export function mergedAnswersConf({ nginxVersion }: ConfSettings): string {
  return mergesAnswers(nginxVersion) ? 'add_header_inherit merge;\n' : ''
}

/** `headers.conf`: what peers learn about the client. */
export function headersConf(
  settings: ConfSettings,
  upgrade = TO_INSTANCES,
  host = '$sluice_host',
): string {
  return `# Sluice: the headers that a peer gets.
${peerHeaders(settings, host, upgrade).join('\n')}
`
}

/**
 * `pass.conf`: picks, and lets no instance steer nginx. Directives that may stand only once in a
 * location are kept out, so that a user's own beside the include are never "duplicate".
 */
export function passConf(settings: ConfSettings): string {
  return `# Sluice: picks a peer for $sluice_key and passes the request on. An instance's X-Accel-* headers count for nothing.
${ignoreAccel()}
${passLines(settings).join('\n')}
`
}

/** `pass-accel.conf`: in place of `pass.conf`, where instances may steer nginx. */
export function passAccelConf(settings: ConfSettings): string {
  return `# Sluice: in place of pass.conf, where instances are trusted with X-Accel-Redirect and the like, which reach any
# "internal" location of this server.
${settings.pool ? '' : `${askAccel(true)}\n`}${passLines(settings).join('\n')}
`
}

/** `proxy.conf`: for a location of the user's, after `set $sluice_upstream web;`. */
export function proxyConf({ home, compiled }: ConfSettings): string {
  const { includes } = homePaths(home)
  return `# Sluice: in any location, after "set $sluice_upstream <name>;", which stands before any "rewrite ... break".
# For headers of your own, put these four lines and your proxy_set_header lines in its place, without the one that includes
# headers.conf. nginx shares variables with subrequests: what auth_request asks must not include this, but may proxy_pass to a
# server of yours that does.
set $sluice_key ":$sluice_upstream/$sluice_slot";
${NAMELESS}
${compiled ? `include "${homePaths(home).compiled}/proxy*.conf";\n` : ''}include "${includes}/headers.conf";
include "${includes}/pass.conf";
`
}

/**
 * `again.conf`: where a request goes that nginx gave up because the pool's members changed since
 * it began: nginx then takes none of them for another try ("no live upstreams"), not even the
 * hop. $sluice_after leads there from an error_page.
 */
export function againConf({ home, connectTimeoutMs, nginxVersion }: ConfSettings): string {
  const { includes } = homePaths(home)
  return `# Sluice: in a server{} whose locations include proxy.conf and say "error_page 502 = $sluice_after;".
location @sluice_again {
    proxy_connect_timeout ${connectTimeoutMs}ms;
    proxy_buffering off;
    include "${includes}/headers.conf";
    ${speaksHttp11(nginxVersion) ? '' : 'proxy_http_version 1.1;\n    '}proxy_set_header ${PICK_HEADER} "$sluice_key $sluice_sid";
    ${unspelled('proxy', [PICK_HEADER]).join('\n    ')}
    proxy_hide_header ${PEER_HEADER};
    ${ignoreAccel()}
    proxy_pass http://${HOP};
}
location @sluice_lost {
    return 502;
}
`
}

/**
 * Passes a request on by its host. `kind` is what the key begins with: it says how the host is
 * looked up (njs/table/lookup.ts).
 */
function routedLocation(name: string, kind: string, settings: ConfSettings, first: string): string {
  const { includes } = homePaths(settings.home)
  const again = settings.pool ? '    error_page 502 = $sluice_after;\n' : ''
  return `location ${name} {
    recursive_error_pages on;
${first === '' ? '' : `    ${first}\n`}${name === '/' ? gateLines(settings) : ''}    set $sluice_key "${kind}$host/$sluice_slot";
    ${NAMELESS}
    # What the pool does not serve: sessions, what a route changes, what is refused before its body is read.
    if ($sluice_drawn = '') { error_page 418 = $sluice_onward; return 418; }
    proxy_connect_timeout ${settings.connectTimeoutMs}ms;
    # Server-sent events and other slow answers pass as they come.
    proxy_buffering off;
${again}    include "${includes}/${settings.pool ? 'headers' : 'onward-headers'}.conf";
${settings.pool ? `    include "${includes}/pass.conf";` : indented(heedHop(settings))}
}`
}

/** A request whose gate is open is none of the table's. */
function gateLines({ home, compiled }: ConfSettings): string {
  return compiled ? `    include "${homePaths(home).compiled}/location*.conf";\n` : ''
}

/** The locations of those gates. */
function gateLocations({ home, compiled }: ConfSettings): string {
  return compiled ? `\ninclude "${homePaths(home).compiled}/server*.conf";` : ''
}

/** Without a pool all answers come by the hop, which asks for patience where a route has it. */
function heedHop(settings: ConfSettings): string[] {
  return [
    ...LARGE_HEADS,
    ignoreAccel('X-Accel-Redirect', 'X-Accel-Buffering'),
    askAccel(false),
    ...passLines(settings),
  ]
}

/** All that the table routes. `first`: what stands before all else in a location for any path. */
export function routedLocations(settings: ConfSettings, first = ''): string {
  return `${routedLocation('/', '@', settings, first)}
# ACME challenges: routes of any host come first. So short that a location of your own for them is longer, and is taken.
${routedLocation('^~ /.well-known/acme', '.', settings, '')}
${onwardLocations(settings)}${gateLocations(settings)}`
}

/** `server.conf`: for a server of the user's, all of which the table routes by host and path. */
export function serverConf(settings: ConfSettings): string {
  const { includes } = homePaths(settings.home)
  return `# Sluice: in a server{}; the table's routes say where a request goes.
${routedLocations(settings)}
include "${includes}/again.conf";
`
}
