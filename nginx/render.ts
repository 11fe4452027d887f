/** nginx's configuration, as text. Pure: whoever calls writes the files. */
import { grpcConf } from './grpc-conf.js'
import { hopHeadersConf } from './inner-server-conf.js'
import { httpConf } from './http-conf.js'
import { mainConf } from './main-conf.js'
import {
  againConf,
  changedHeadersConf,
  mergedAnswersConf,
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

export { homePaths, numberedSockets } from './home-paths.js'
export type { ConfSettings } from './conf-settings.js'

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
    ...(settings.compiled && {
      'sluice/changed-headers.conf': changedHeadersConf(settings),
      'sluice/merged-answers.conf': mergedAnswersConf(settings),
    }),
    'sluice/pass.conf': passConf(settings),
    'sluice/pass-accel.conf': passAccelConf(settings),
    'sluice/hop-headers.conf': hopHeadersConf(settings),
    'sluice/trusted-ca.pem': settings.trustedCa,
  }
}
