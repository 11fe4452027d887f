/** `sluice conf`. */
import { join } from 'node:path'
import { accessLogLines } from '../../nginx/access-log-conf.js'
import { homePaths } from '../../nginx/home-paths.js'
import { httpTrust, proxyProtocolOption, streamTrust } from '../../nginx/proxy-protocol.js'
import { SETTING_NAMES } from '../../runtime/config/setting-table.js'
import { flagOf } from '../../runtime/config/setting-names.js'
import type { SettingName } from '../../runtime/config/setting-table.js'
import { toProcess } from '../../runtime/config/print.js'
import type { Config } from '../../runtime/config/load.js'
import type { Settings } from '../../runtime/config/settings.js'
import { ensureNginx } from '../../setup/nginx.js'
import type { NginxInfo } from '../../setup/nginx.js'
import { UsageError } from '../usage-error.js'
import type { Command, Invocation } from '../command.js'
import { gatewayFiles } from '../gateway-files.js'
import { hasPassthrough, hasPool, hasStream } from '../nginx-features.js'
import { accountNamed } from '../start/accounts.js'
import { writeFiles } from '../start/file-set.js'
import { makeHomeFolders, openHome, openToWorkers } from '../start/home.js'
import { lockHome } from '../start/home-lock.js'
import { shellWord } from '../start/first-commands.js'

/** Said apart, or of no use to a controller. */
const OTHERS: SettingName[] = ['home', 'nginx', 'user']

/**
 * The settings that conf was given. The controller needs the same ones, or it misreads what these
 * files make nginx do.
 */
function givenFlags(config: Config): string[] {
  const { origins } = config
  const isGiven = (name: SettingName) => /^(flag|environment) /.test(origins.get(name) ?? '')
  const given = SETTING_NAMES.filter((name) => !OTHERS.includes(name) && isGiven(name))
  const starts = given.map((name) => `--${flagOf(name)}=`)
  return toProcess(config).flags.filter((flag) => starts.some((start) => flag.startsWith(start)))
}

function nextSteps(home: string, nginx: string, config: Config): string[] {
  const flags = ['--home', home, '--nginx', nginx, ...givenFlags(config)].map(shellWord)
  return [
    '# An nginx that was killed, or lost power, leaves sockets behind that keep it from starting again.',
    '# Have them removed before each start; with systemd: "systemctl edit nginx", and these lines:',
    '# [Service]',
    `# ExecStartPre=/bin/sh -c 'rm -f "${home}"/hop/*.sock "${home}"/run/*.sock'`,
    '',
    `# Then run the controller on this machine: sluice controller ${flags.join(' ')}`,
  ]
}

function indented(line: string): string {
  return `        ${line}`
}

function streamLines(settings: Settings, info: NginxInfo): string[] {
  const sluice = join(settings.home, 'sluice')
  if (!hasStream(info)) {
    return ['# No TCP and UDP routes: this nginx has no stream module with njs.', '']
  }
  const names = [
    '    # TLS clients, who are passed through by name or go on to the server at https.sock below:',
    '    server {',
    `        listen ${settings.httpsPort}${proxyProtocolOption(settings, settings.httpsPort)};`,
    ...streamTrust(settings, [settings.httpsPort]).map(indented),
    `        include "${sluice}/passthrough.conf";`,
    '    }',
  ]
  return [
    '# for routes of TCP and UDP ports, and of TLS names',
    'stream {',
    `    include "${sluice}/stream.conf";`,
    ...(hasPassthrough(settings, info) ? names : []),
    '}',
    '',
  ]
}

function https(settings: Settings, info: NginxInfo): string[] {
  const sluice = join(settings.home, 'sluice')
  const { home, http3, httpsPort } = settings
  const isBehind = hasPassthrough(settings, info)
  // Alt-Svc names the port to clients of HTTP/3, so it has to be the true one.
  const port = http3 ? httpsPort : 443
  const listen = isBehind ? `"unix:${homePaths(home).httpsSocket}"` : String(port)
  const mark = isBehind ? '' : proxyProtocolOption(settings, httpsPort)
  const { hasTls, hasGrpc, hasRealip } = info
  const trust = httpTrust({ ...settings, hasRealip }, isBehind ? undefined : httpsPort)
  const quic = [
    '        # HTTP/3; reuseport stands once for an address, if you have several such servers:',
    `        listen ${port} quic reuseport;`,
    `        include "${sluice}/http3.conf";`,
  ]
  return hasTls
    ? [
        '',
        '    # to show clients the certificates of the table, by name:',
        '    server {',
        `        listen ${listen} ssl${mark};`,
        ...trust.map(indented),
        '        ssl_protocols TLSv1.2 TLSv1.3;',
        `        ssl_ciphers "${settings.tlsCiphers}";`,
        ...(http3 ? quic : []),
        '        http2 on;',
        `        include "${sluice}/tls.conf";`,
        ...(hasGrpc ? ['        # server.conf, and gRPC:'] : []),
        `        include "${sluice}/${hasGrpc ? 'grpc' : 'server'}.conf";`,
        '    }',
      ]
    : ['', '    # This nginx was built without http_ssl_module or http_v2_module: it has no TLS.']
}

function httpLines(settings: Settings, { hasRealip }: NginxInfo): string[] {
  const { home, httpPort } = settings
  const sluice = join(home, 'sluice')
  return [
    'http {',
    '    # Sluice has more variables than nginx expects. Where you have this line, keep the larger size.',
    '    variables_hash_max_size 2048;',
    `    include "${sluice}/http.conf";`,
    '    # an access log as sluice start writes it; all lines in this order, of which each request takes one:',
    ...accessLogLines(join(home, 'logs/access.log')).map((line) => `    # ${line}`),
    '',
    '    server {',
    `        listen 80${proxyProtocolOption(settings, httpPort)};`,
    ...httpTrust({ ...settings, hasRealip }, httpPort).map(indented),
    '        # all that the table routes, by host and path:',
    `        include "${sluice}/server.conf";`,
    '        # or, instead, one upstream in a location of yours:',
    '        # location /shop/ {',
    '        #     set $sluice_upstream shop;',
    `        #     include "${sluice}/proxy.conf";`,
    '        #     error_page 502 = $sluice_after;',
    '        # }',
    `        # include "${sluice}/again.conf";`,
    '    }',
  ]
}

/** What goes into an nginx.conf of the user's own. */
function advice(settings: Settings, info: NginxInfo, config: Config): string[] {
  const peers = hasPool(settings, info)
    ? 'connections to instances stay open'
    : 'each request opens a connection; from nginx 1.29.6 on, they stay open'
  return [
    `# nginx ${info.version} with njs ${info.njs} at ${info.path}: ${peers}.`,
    '# Add these lines to your nginx.conf, then: nginx -t && nginx -s reload',
    '',
    '# before events{} (unless it is loaded already, as Debian does in modules-enabled)',
    ...info.modules.map((path) => `load_module "${path}";`),
    '',
    `# in events{}: worker_connections ${settings.connections}; or print this anew with --connections and what stands there`,
    '',
    ...streamLines(settings, info),
    ...httpLines(settings, info),
    ...https(settings, info),
    '}',
    '',
    ...nextSteps(settings.home, info.path, config),
  ]
}

async function generate({ config, print }: Invocation): Promise<void> {
  const { home, user } = config.settings
  const account = user === undefined ? undefined : accountNamed(user)
  if (user !== undefined && account === undefined) {
    throw new UsageError(`--user: this machine has no user ${JSON.stringify(user)}`)
  }
  const notes: string[] = []
  const say = (line: string) => notes.push(line)
  const info = await ensureNginx({ home, nginx: config.settings.nginx ?? 'nginx', say })
  const opened = await openHome(config.settings)
  // Whether an nginx.conf includes that nobody can see from here, so its user has to ask for it.
  const isAsked = config.origins.get('passthrough') !== 'default'
  const settings = { ...opened, passthrough: opened.passthrough && isAsked }
  const { makeOwnCertificate } = await import('../start/own-certificate.js')
  await makeOwnCertificate(settings)
  const main = join(home, 'nginx.conf')
  const files = [...gatewayFiles(settings, info, 'unchanged', false)].filter(
    ([path]) => path !== main,
  )
  writeFiles(new Map(files))
  if (account !== undefined) {
    openToWorkers(home, account)
  }
  advice(settings, info, config).forEach(print)
  if (account === undefined && process.getuid?.() === 0) {
    print(
      `# Workers must be able to enter ${join(home, 'hop')}: name their user with --user (www-data, nginx).`,
    )
  }
}

export const conf: Command = {
  name: 'conf',
  usage: '',
  positionals: [0, 0],
  summary: 'write the files that your own nginx.conf includes, and print the lines to add',
  options: {},
  settings: 'all',
  async run(invocation) {
    const { home } = invocation.config.settings
    makeHomeFolders(home)
    // The files of a home belong to one nginx at a time.
    const lock = await lockHome(home, 'nginx')
    try {
      await generate(invocation)
    } finally {
      await lock.release()
    }
    return 0
  },
}
