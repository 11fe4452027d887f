/**
 * nginx's configuration, as text. Pure: whoever calls writes the files.
 *
 * A fallback file (`<home>/fallback/sluice-upstreams.conf`, included in `http{}`) holds, for nginx
 * started with no table:
 *
 *     upstream sluice_f_web { server 10.0.0.7:80; keepalive 32; }
 *     map $sluice_wanted $sluice_fallback { default ''; web sluice_f_web; }
 *     server {
 *         listen unix:<home>/hop/fallback.sock;
 *         server_name app.example.com;
 *         include <home>/sluice/hop-headers.conf;
 *         location / { proxy_pass http://sluice_f_web; }
 *     }
 *
 * with one more server, `default_server`, that answers 404. The map must be there even if it is
 * empty: without `$sluice_fallback` the hop takes it that there is no fallback.
 */
import { grpcConf } from './grpc-conf.js'
import { hopHeadersConf } from './inner-server-conf.js'
import { httpConf } from './http-conf.js'
import { mainConf } from './main-conf.js'
import {
  againConf,
  headersConf,
  onwardHeadersConf,
  passAccelConf,
  passConf,
  proxyConf,
  serverConf,
} from './front-conf.js'
import { http3Conf, tlsConf } from './tls-conf.js'
import type { ConfSettings } from './conf-settings.js'
import { passthroughConf, streamConf } from './stream-conf.js'

export { homePaths, tuneSockets } from './home-paths.js'
export type { ConfSettings } from './conf-settings.js'

/** Folders below the home that must be there before nginx starts. */
export const FOLDERS = ['sluice/njs', 'fallback', 'run', 'hop', 'temp', 'logs']

/**
 * Files by their path below the home. Throws when the home's path cannot stand in a configuration.
 */
export function renderConf(settings: ConfSettings): Record<string, string> {
  return {
    'nginx.conf': mainConf(settings),
    'sluice/http.conf': httpConf(settings),
    ...(settings.hasStream && { 'sluice/stream.conf': streamConf(settings) }),
    ...(settings.passthrough && { 'sluice/passthrough.conf': passthroughConf(settings) }),
    'sluice/server.conf': serverConf(settings),
    'sluice/proxy.conf': proxyConf(settings),
    'sluice/tls.conf': tlsConf(settings),
    ...(settings.http3 && { 'sluice/http3.conf': http3Conf(settings) }),
    ...(settings.hasGrpc && { 'sluice/grpc.conf': grpcConf(settings) }),
    'sluice/again.conf': againConf(settings),
    'sluice/headers.conf': headersConf(settings),
    'sluice/onward-headers.conf': onwardHeadersConf(settings),
    'sluice/pass.conf': passConf(settings),
    'sluice/pass-accel.conf': passAccelConf(settings),
    'sluice/hop-headers.conf': hopHeadersConf(settings),
    'sluice/trusted-ca.pem': settings.trustedCa,
  }
}
