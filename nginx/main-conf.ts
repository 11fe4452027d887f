/** `nginx.conf`: a whole configuration, for when nginx is Sluice's own. */
import { httpTrust, inServer, proxyProtocolOption, streamTrust } from './proxy-protocol.js'
import { accessLogLines } from './access-log-conf.js'
import { tempPathLines } from '../contract/temp-paths.js'
import type { ConfSettings } from './conf-settings.js'
import { homePaths } from './home-paths.js'
import { printAddress } from '../contract/guard/address.js'
import { reuseportOption } from './listen.js'
import { httpsServer } from './tls-conf.js'

function accessLog({ accessLog: path }: ConfSettings): string {
  const lines = path === undefined ? ['access_log off;'] : accessLogLines(path)
  return lines.join('\n    ')
}

const TITLE = `# Sluice: written anew at each start; changes here are lost. To keep your own nginx.conf, include
# sluice/http.conf and sluice/server.conf or sluice/proxy.conf there, as this one does.`

const HTTP = `    server_tokens off;
    # What is smaller needs no disk.
    client_body_buffer_size 128k;
    tcp_nodelay on;
    # Sluice has more variables than nginx expects.
    variables_hash_max_size 2048;
    # The fallback has a name for each upstream and for each host.
    map_hash_bucket_size 512;
    map_hash_max_size 65536;
    server_names_hash_bucket_size 512;
    server_names_hash_max_size 65536;`

function streamBlock(settings: ConfSettings): string {
  const { bind, httpsPort = 0, passthrough, home } = settings
  const { includes } = homePaths(home)
  const trust = streamTrust(settings, [httpsPort])
  const server = `
    server {
        listen ${printAddress(bind, httpsPort)}${proxyProtocolOption(settings, httpsPort)}${reuseportOption(settings)};
${inServer(trust)}        include "${includes}/passthrough.conf";
    }
`
  return `
stream {
    include "${includes}/stream.conf";
${passthrough ? server : ''}}
`
}

export function mainConf(settings: ConfSettings): string {
  const { home, modules, user, workers, bind, httpPort, httpsPort, hasJit = false } = settings
  const { includes, pidFile, errorLog } = homePaths(home)
  return `${TITLE}
${modules.map((module) => `load_module "${module}";`).join('\n')}
${user === undefined ? '' : `user ${user};\n`}worker_processes ${workers};
${hasJit ? 'pcre_jit on;\n' : ''}worker_rlimit_nofile ${2 * settings.connections};
pid "${pidFile}";
error_log "${errorLog}" warn;

events {
    worker_connections ${settings.connections};
}

http {
${HTTP}
    ${tempPathLines(`${home}/temp`).join('\n    ')}

    include "${includes}/http.conf";
    ${accessLog(settings)}

    server {
        listen ${printAddress(bind, httpPort)} default_server${proxyProtocolOption(settings, httpPort)}${reuseportOption(settings)};
${inServer(httpTrust(settings, httpPort))}        client_max_body_size ${settings.maxBodyBytes};
        include "${includes}/server.conf";
    }
${httpsPort === undefined ? '' : httpsServer(settings, httpsPort)}}
${settings.hasStream ? streamBlock(settings) : ''}`
}
