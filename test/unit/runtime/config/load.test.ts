/** Settings from all their sources. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { SETTING_NAMES } from '../../../../runtime/config/setting-table.js'
import { flagOf, settingsTable, variableOf } from '../../../../runtime/config/setting-names.js'
import { loadConfig } from '../../../../runtime/config/load.js'
import { printConfig, toProcess } from '../../../../runtime/config/print.js'
import type { ConfigInput } from '../../../../runtime/config/load.js'
import { Secret } from '../../../../runtime/config/secret.js'
import { SluiceError } from '../../../../runtime/errors.js'
import { nearest } from '../../../../runtime/config/nearest.js'
import { temporaryFolder } from '../../../../lab/temp.js'
import { repository } from '../../../../lab/tools.js'

interface Given {
  flags?: Record<string, string>
  environment?: Record<string, string>
  yaml?: string
}

function inputOf(folder: string, { flags = {}, environment = {}, yaml }: Given): ConfigInput {
  if (yaml !== undefined) {
    mkdirSync(join(folder, '.sluice'), { recursive: true })
    writeFileSync(join(folder, '.sluice', 'sluice.yaml'), yaml)
  }
  return { flags: new Map(Object.entries(flags)), environment, directory: folder }
}

function refusal(folder: string, given: Given): string {
  try {
    loadConfig(inputOf(folder, given))
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'invalid') {
      return error.message
    }
    throw error
  }
  throw new Error('nothing was refused')
}

t.test('defaults are those of the design', async (t) => {
  const folder = temporaryFolder(t)
  const { settings } = loadConfig(inputOf(folder, {}))
  t.match(settings, {
    home: join(folder, '.sluice'),
    httpPort: 8080,
    httpsPort: 8443,
    apiPort: 8081,
    apiBind: '127.0.0.1',
    bind: '127.0.0.1',
    registry: 'embedded',
    docker: 'auto',
    domains: ['localhost'],
    cluster: 'main',
    mode: 'gateway',
    allowLoopback: true,
    engine: 'njs',
  })
  t.equal(settings.apiToken, undefined)
  t.ok(settings.workers >= 1)
})

t.test('flags beat environment, which beats the file, which beats defaults', async (t) => {
  const folder = temporaryFolder(t)
  const yaml = 'httpPort: 1001\napiPort: 1002\ndomain: file.example, b.example\nworkers: 3\n'
  const environment = { SLUICE_HTTP_PORT: '2001', SLUICE_API_PORT: '2002' }
  const { settings, origins } = loadConfig(
    inputOf(folder, { flags: { 'http-port': '3001' }, environment, yaml }),
  )
  t.equal(settings.httpPort, 3001)
  t.equal(settings.apiPort, 2002)
  t.same(settings.domains, ['file.example', 'b.example'])
  t.equal(settings.workers, 3)
  t.equal(origins.get('httpPort'), 'flag --http-port')
  t.equal(origins.get('apiPort'), 'environment SLUICE_API_PORT')
  t.match(origins.get('domain'), /sluice\.yaml: domain$/)
  t.equal(origins.get('bind'), 'default')
})

t.test('several domains, or none', async (t) => {
  const folder = temporaryFolder(t)
  const domains = (SLUICE_DOMAIN: string) =>
    loadConfig(inputOf(folder, { environment: { SLUICE_DOMAIN } })).settings.domains
  t.same(domains('a.example, b.example'), ['a.example', 'b.example'])
  t.same(domains('off'), [])
})

t.test('whose the files of file mode are, by name or by number', async (t) => {
  const folder = temporaryFolder(t)
  const access = (...flags: Array<[string, string]>) =>
    loadConfig(inputOf(folder, { flags: Object.fromEntries(flags) })).settings.file.access
  t.same(access(), { mode: 0o640 })
  const named = access(['file-owner', 'root'], ['file-group', 'root'], ['file-mode', '0644'])
  t.same(named, { mode: 0o644, uid: 0, gid: 0 })
  t.same(access(['file-owner', '1234']), { mode: 0o640, uid: 1234 })
  const refused = (name: string, text: string) => refusal(folder, { flags: { [name]: text } })
  t.match(refused('file-owner', 'no-such-user'), /--file-owner: "no-such-user".*of a user/)
  t.match(refused('file-group', 'no-such-group'), /--file-group: "no-such-group".*of a group/)
  t.match(refused('file-mode', '999'), /--file-mode: "999".*permissions in octal/)
})

t.test('ports of proxies, and who is believed there, go together', async (t) => {
  const folder = temporaryFolder(t)
  const given = (ports: string, trusted: string, more: Record<string, string> = {}): Given => ({
    environment: { SLUICE_PROXY_PROTOCOL_PORTS: ports, SLUICE_TRUSTED_PROXIES: trusted, ...more },
  })
  const both = given('8080,8443,9100-9101', '10.0.0.0/8, 192.0.2.7,fd00::/8,10.0.0.0/8')
  const config = loadConfig(inputOf(folder, both))
  const { settings } = config
  t.match(settings, {
    proxyProtocolPorts: '8080 8443 9100-9101',
    trustedProxies: ['10.0.0.0/8', '192.0.2.7/32', 'fd00::/8'],
  })
  const again = toProcess(config).flags.map(
    (flag) => flag.slice(2).split(/=(.*)/) as [string, string],
  )
  const passed = loadConfig(inputOf(folder, { flags: Object.fromEntries(again) })).settings
  t.same(passed, settings, 'a child process is given the same')
  t.match(refusal(folder, given('8080', '')), /PROXY_PROTOCOL_PORTS: .* needs trustedProxies/)
  const alone = loadConfig(inputOf(folder, given('', '10.0.0.0/8'))).settings
  t.same(alone.trustedProxies, ['10.0.0.0/8'], 'they may speak by headers alone')
  t.match(
    refusal(folder, given('8080,8081,9099', '10.0.0.0/8')),
    /PROXY_PROTOCOL_PORTS: none of the gateway's ports: 8081 9099/,
  )
  t.match(refusal(folder, given('8443', '10.0.0.0/8', { SLUICE_HTTPS_PORT: '0' })), /8443/)
  t.match(refusal(folder, given('8080', '10.0.0.0/8', { SLUICE_MODE: 'file' })), /file mode/)
  for (const wrong of [
    '10.0.0.1/8',
    '10.0.0.0/33',
    'fd00::/129',
    '10.0.0.0/',
    'lb.example',
    'all',
  ]) {
    t.match(refusal(folder, given('8080', wrong)), /TRUSTED_PROXIES: .*expected addresses/, wrong)
  }
  t.match(refusal(folder, given('8080', '::ffff:10.0.0.0/104')), /expected addresses/)
})

t.test("Sluice's own ports are none for routes", async (t) => {
  const folder = temporaryFolder(t)
  const given = (ports: string, more: Record<string, string> = {}): Given => ({
    environment: { SLUICE_STREAM_PORTS: ports, ...more },
  })
  const cases: Array<[ports: string, own: RegExp, more?: Record<string, string>]> = [
    ['8000-8099', /STREAM_PORTS: streamPorts has ports .*: 8080 \(httpPort\), 8081 \(apiPort\);/],
    ['8443', /: 8443 \(httpsPort\); leave them out/],
    ['25000-25010', /: 25003 \(poolPort\);/, { SLUICE_POOL_PORT: '25003' }],
    ['9100-9109', /: 9105 \(httpPort\);/, { SLUICE_HTTP_PORT: '9105' }],
  ]
  for (const [ports, own, more] of cases) {
    t.match(refusal(folder, given(ports, more)), own, ports)
  }
  for (const more of [{ SLUICE_HTTPS_PORT: '0' }, { SLUICE_MODE: 'file' }]) {
    t.doesNotThrow(() => loadConfig(inputOf(folder, given('8443', more))))
  }
})

t.test('ports that are tuned are ports for routes', async (t) => {
  const folder = temporaryFolder(t)
  const given = (ports: string, stream = '9100-9109'): Given => ({
    environment: { SLUICE_TUNED_PORTS: ports, SLUICE_STREAM_PORTS: stream },
  })
  t.equal(loadConfig(inputOf(folder, given('9101,9100'))).settings.tunedPorts, '9100-9101')
  t.match(refusal(folder, given('9109-9111')), /TUNED_PORTS: .*these are not: 9110-9111/)
  t.match(refusal(folder, given('9100', 'off')), /TUNED_PORTS: .*these are not: 9100/)
})

t.test(
  'an unknown name is refused, wherever it stands, with the nearest that is known',
  async (t) => {
    const folder = temporaryFolder(t)
    t.match(
      refusal(folder, { environment: { SLUICE_HTP_PORT: '1' } }),
      /SLUICE_HTP_PORT.*did you mean SLUICE_HTTP_PORT\?/,
    )
    t.match(
      refusal(folder, { environment: { SLUICE_QUITE_ELSE_X: '1' } }),
      /SLUICE_QUITE_ELSE_X: no such setting$/,
    )
    t.match(
      refusal(folder, { yaml: 'htpPort: 80\n' }),
      /sluice\.yaml: htpPort: no such.*did you mean httpPort\?/,
    )
  },
)

t.test('a wrong value names the setting, its origin and what was expected', async (t) => {
  const folder = temporaryFolder(t)
  t.match(
    refusal(folder, { flags: { 'http-port': '70000' } }),
    /^flag --http-port: "70000".*whole number from 1 to 65535/,
  )
  t.match(
    refusal(folder, { environment: { SLUICE_MODE: 'files' } }),
    /^environment SLUICE_MODE: "files".*gateway or file/,
  )
  t.match(refusal(folder, { environment: { SLUICE_DOMAIN: 'a b' } }), /SLUICE_DOMAIN.*host name/)
  t.match(refusal(folder, { environment: { SLUICE_HOME: '/a;b' } }), /SLUICE_HOME.*path/)
  t.match(
    refusal(folder, { environment: { SLUICE_REGISTRY: 'consul://x' } }),
    /SLUICE_REGISTRY.*etcd:/,
  )
  t.match(refusal(folder, { environment: { SLUICE_TABLE_SIZE: '12' } }), /SLUICE_TABLE_SIZE.*64m/)
  t.match(refusal(folder, { yaml: 'httpPort: [1]\n' }), /httpPort: must be a single value/)
  t.match(refusal(folder, { yaml: 'httpPort: 1\nhttpPort: 2\n' }), /sluice\.yaml: .*unique/i)
  t.match(refusal(folder, { yaml: '- a\n' }), /sluice\.yaml: must be/)
  t.match(
    refusal(folder, { yaml: 'home: /elsewhere\n' }),
    /home: a file that is found through the home/,
  )
  t.match(refusal(folder, { yaml: '', flags: { config: 'no.yaml' } }), /no\.yaml cannot be read/)
})

t.test('settings that exclude each other are named together', async (t) => {
  const folder = temporaryFolder(t)
  t.match(
    refusal(folder, { environment: { SLUICE_HTTP_PORT: '8081' } }),
    /httpPort and apiPort are both 8081/,
  )
  t.match(
    refusal(folder, { environment: { SLUICE_ETCD_KEY: 'k.pem' } }),
    /etcdCertificate and etcdKey/,
  )
})

t.test('secrets come from a variable or from a file, and are never printed', async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'token'), 'from-the-file\n')
  const both = { SLUICE_API_TOKEN: 'a', SLUICE_API_TOKEN_FILE: 'token' }
  const tokenOf = (given: Given) => loadConfig(inputOf(folder, given)).settings.apiToken
  t.equal(tokenOf({ environment: { SLUICE_API_TOKEN: 'direct' } }), 'direct')
  t.equal(tokenOf({ environment: { SLUICE_API_TOKEN_FILE: 'token' } }), 'from-the-file')
  t.equal(tokenOf({ flags: { 'api-token-file': 'token' } }), 'from-the-file')
  t.match(refusal(folder, { environment: both }), /both SLUICE_API_TOKEN and SLUICE_API_TOKEN_FILE/)
  t.match(
    refusal(folder, { environment: { SLUICE_API_TOKEN_FILE: 'none' } }),
    /none cannot be read/,
  )
  t.match(
    refusal(folder, { environment: { SLUICE_ETCD_PASSWORD: 'se\u0001cret' } }),
    /^(?!.*se.cret).*SLUICE_ETCD_PASSWORD: the value/,
  )
  const config = loadConfig(inputOf(folder, { environment: { SLUICE_ETCD_PASSWORD: 'hush' } }))
  const printed = printConfig(config)
  t.notMatch(printed, 'hush')
  t.match(printed, /^etcdPassword: "\(set\)" # environment SLUICE_ETCD_PASSWORD$/m)
  t.match(printed, /^httpPort: 8080 # default$/m)
})

t.test('a secret may stand in a file beside the settings file', async (t) => {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, '.sluice'))
  writeFileSync(join(folder, '.sluice', 'secret'), '0123\n')
  const { settings } = loadConfig(inputOf(folder, { yaml: 'apiTokenFile: secret\n' }))
  t.equal(settings.apiToken, '0123')
  t.equal(loadConfig(inputOf(folder, { yaml: 'apiToken: 0123\n' })).settings.apiToken, '0123')
})

t.test('an empty variable is not set', async (t) => {
  const { settings } = loadConfig(
    inputOf(temporaryFolder(t), { environment: { SLUICE_HTTP_PORT: '' } }),
  )
  t.equal(settings.httpPort, 8080)
})

t.test('loopback is allowed by default where the registry is on this machine', async (t) => {
  const folder = temporaryFolder(t)
  const allowed = (environment: Record<string, string>) =>
    loadConfig(inputOf(folder, { environment })).settings.allowLoopback
  t.equal(allowed({}), true)
  t.equal(allowed({ SLUICE_REGISTRY: 'etcd://10.0.0.1:2379' }), false)
  t.equal(allowed({ SLUICE_REGISTRY: 'http://10.0.0.1:8081' }), false)
  t.equal(allowed({ SLUICE_REGISTRY: 'etcd://10.0.0.1:2379', SLUICE_ALLOW_LOOPBACK: 'true' }), true)
  t.equal(allowed({ SLUICE_ALLOW_LOOPBACK: 'false' }), false)
})

t.test('another process that toProcess sets up decides the same', async (t) => {
  const folder = temporaryFolder(t)
  const environment = {
    SLUICE_API_TOKEN: 'a-token',
    SLUICE_TABLE_SIZE: '96m',
    SLUICE_MIN_INTERVAL: '1500ms',
    SLUICE_AGENT_TTL: '60s',
    SLUICE_RELOAD_COMMAND: 'nginx -s reload',
  }
  const config = loadConfig(inputOf(folder, { environment, yaml: 'workers: 5\n' }))
  const passed = toProcess(config)
  const flags = passed.flags.map((flag): [string, string] => {
    const [, name = '', text = ''] = /^--([^=]+)=(.*)$/.exec(flag) ?? []
    return [name, text]
  })
  t.notMatch(passed.flags.join(' '), 'a-token')
  const again = loadConfig({
    flags: new Map(flags),
    environment: { SLUICE_API_TOKEN: passed.environment['SLUICE_API_TOKEN'] },
    directory: '/',
  })
  t.same(again.settings, config.settings)
})

t.test('of a secret in a file another process is given the path, to read it again', async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'password'), 'first\n')
  const environment = { SLUICE_ETCD_PASSWORD_FILE: 'password' }
  const config = loadConfig(inputOf(folder, { environment }))
  const passed = toProcess(config).environment
  t.notOk('SLUICE_ETCD_PASSWORD' in passed)
  t.equal(passed['SLUICE_ETCD_PASSWORD_FILE'], join(folder, 'password'))
  writeFileSync(join(folder, 'password'), 'second\n')
  const { etcd } = loadConfig({ flags: new Map(), environment: passed, directory: '/' }).settings
  const secret = new Secret(etcd.password ?? '', etcd.passwordFile)
  t.equal(secret.now(), 'second')
  writeFileSync(join(folder, 'password'), '')
  t.equal(secret.now(), 'second', 'the last good one, while it is written')
  rmSync(join(folder, 'password'))
  t.equal(secret.now(), 'second')
})

t.test('each setting has a flag, a variable and a place in docs/settings.md', async (t) => {
  for (const name of SETTING_NAMES) {
    t.match(flagOf(name), /^[a-z][a-z0-9-]*$/)
    t.match(variableOf(name), /^SLUICE_[A-Z0-9_]+$/)
  }
  const text = readFileSync(join(repository, 'docs/settings.md'), 'utf8')
  t.ok(
    text.includes(settingsTable()),
    'run: node --import tsx cli/main.ts start --help, and put the table right',
  )
})

t.test('the nearest word is found, if any is near', async (t) => {
  t.equal(nearest('dranin', ['drain', 'undrain']), 'drain')
  t.equal(nearest('zzz', ['drain', 'undrain']), undefined)
})

t.test('the API opens to other machines only with TLS, or where it was asked for', async (t) => {
  const folder = temporaryFolder(t)
  const wide = loadConfig(inputOf(folder, { environment: { SLUICE_BIND: '0.0.0.0' } }))
  t.equal(wide.settings.apiBind, '127.0.0.1', 'the gateway alone is opened')
  const bind = { SLUICE_API_BIND: '10.0.0.7' }
  t.match(refusal(folder, { environment: bind }), /API_BIND: .*apiCertificate and apiKey.*apiPlain/)
  t.match(
    refusal(folder, { environment: { SLUICE_API_KEY: 'k.pem' } }),
    /API_KEY: apiCertificate and apiKey need each other/,
  )
  const asked = { ...bind, SLUICE_API_PLAIN: 'true' }
  t.equal(loadConfig(inputOf(folder, { environment: asked })).settings.apiBind, '10.0.0.7')
  const tls = { ...bind, SLUICE_API_CERTIFICATE: 'c.pem', SLUICE_API_KEY: 'k.pem' }
  t.match(loadConfig(inputOf(folder, { environment: tls })).settings.apiTls, {
    certificate: join(folder, 'c.pem'),
    key: join(folder, 'k.pem'),
  })
})
