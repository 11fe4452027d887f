/** The command line against a real controller. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { spawn } from 'node:child_process'
import type { StdioOptions } from 'node:child_process'
import type { AddressInfo } from 'node:net'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { optionsOf, parseCommandLine } from '../../../cli/args.js'
import { connect, connectLocal, pathOf } from '../../../cli/client.js'
import { isOn } from '../../../cli/command.js'
import { UsageError } from '../../../cli/usage-error.js'
import type { Command, Invocation } from '../../../cli/command.js'
import { COMMANDS } from '../../../cli/commands/all.js'
import { policy } from '../../../cli/commands/policy.js'
import { routes } from '../../../cli/commands/routes.js'
import { upstreams } from '../../../cli/commands/upstreams.js'
import { parseFields } from '../../../cli/fields.js'
import { holdsAny, tcpInodes } from '../../../cli/start/proc.js'
import { helpFor, overview } from '../../../cli/help.js'
import { age, columns } from '../../../cli/output.js'
import { printable } from '../../../runtime/printable.js'
import { printKey } from '../../../contract/keys.js'
import { SETTING_NAMES } from '../../../runtime/config/setting-table.js'
import { flagOf, variableOf } from '../../../runtime/config/setting-names.js'
import { testApi } from '../../support/api.js'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import { buildIfStale } from '../../../lab/build.js'
import { PROGRAM } from '../../../lab/nginx/started.js'
import { freePort } from '../../../lab/ports.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { repository, tools } from '../../../lab/tools.js'
import { until } from '../../../lab/until.js'

// Each call is a process of its own: of what is built, which starts in a fraction of the time.
t.setTimeout(170_000)
t.before(buildIfStale)

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

function sluice(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: repository })
    const ended: Ended = { code: null, stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (ended.stdout += chunk))
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (ended.stderr += chunk))
    child.on('close', (code) => resolve({ ...ended, code }))
  })
}

/** With its stdout at `output`, which is open. */
function sluiceTo(output: number, ...args: string[]): Promise<Omit<Ended, 'stdout'>> {
  return new Promise((resolve) => {
    const stdio: StdioOptions = ['ignore', output, 'pipe']
    const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: repository, stdio })
    let stderr = ''
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
    child.on('close', (code) => resolve({ code, stderr }))
  })
}

t.test('what is wrong with a command line is named, with exit code 2', async (t) => {
  const cases: Array<[args: string[], said: RegExp]> = [
    [['nothing'], /unknown command "nothing"; "sluice --help" lists all of them/],
    [['dran', 'web/a'], /unknown command "dran"; did you mean drain\?/],
    [
      ['--home', '/tmp', 'status'],
      /--home stands before the command; usage: sluice <command> \[flags\]/,
    ],
    [['drain'], /<upstream>\/<id> is missing; usage: sluice drain <upstream>\/<id>/],
    [
      ['explain', 'http://a', '--header', 'X'],
      /--header: "X" is not right; expected a line such as/,
    ],
    [['explain', 'http://a', '--header', 'A: 1', '--header', 'B'], /--header: "B" is not right/],
    [
      ['explain', 'http://a', '--address', 'x'],
      /--address: "x" is not right; expected an IP address/,
    ],
    [['status', '--api', 'foo'], /--api .*"foo" is not right; expected an address such as http:/],
    [['status', 'all'], /unexpected argument "all"; usage: sluice status/],
    [
      ['conf', '--passthrough', 'true'],
      /unexpected argument "true"; a switch takes it as --flag=true/,
    ],
    [['conf', '--passthrough=yes'], /--passthrough: "yes" is not right; expected true or false/],
    [['status', '--json=toString'], /--json: "toString" is not right; expected true or false/],
    [['status', '--help='], /--help: "" is not right; expected true or false/],
    [['drain', 'web/a', '--wiat', '3s'], /unknown flag --wiat; did you mean --wait\?/],
    [['drain', 'web'], /"web" is not right; expected <upstream>\/<id>/],
    [['drain', 'web/a', '--wait', 'long'], /--wait: "long" is not right; expected a duration/],
    [['start', '--http-port', '0'], /flag --http-port: "0" is not right/],
    [
      ['register', 'web', 'a', 'nowhere'],
      /"nowhere" is not right; expected an address and a port, such as 10/,
    ],
    [['register', 'web', 'a', '10.0.0.7:80', '--weight', '0'], /1000; to stop traffic, drain/],
    [['register', 'web', 'a', '10.0.0.7:80', '--max-conns', '0'], /--max-conns: "0" is not right/],
    [
      ['routes', 'put', 'app'],
      /put needs either fields such as hosts=app.example.com upstream=web/,
    ],
    [['routes', 'put', 'app', 'web'], /"web" is not right; expected hosts=/],
    [['routes', 'app'], /usage: sluice routes \[get <id>/],
    [['routes', 'get', 'a', 'b'], /usage: sluice routes \[get <id>/],
    [['policy', 'web', 'leastConn'], /expected balance=leastConn or retry.tries=2/],
  ]
  for (const [args, said] of cases) {
    const { code, stderr } = await sluice(...args)
    t.equal(code, 2, args.join(' '))
    t.match(stderr, said)
  }
})

t.test('help names every flag and setting, and the version is printed', async (t) => {
  t.match((await sluice('--version')).stdout, /^\d+\.\d+\.\d+\n$/)
  t.same(await sluice('help'), { code: 0, stdout: overview(COMMANDS) + '\n', stderr: '' })
  t.match((await sluice('drain', '--help')).stdout, /--wait <time>/)
  for (const command of COMMANDS) {
    const help = helpFor(command)
    const names = Object.keys(optionsOf(command))
    t.same(
      names.filter((name) => !help.includes('--' + name)),
      [],
      command.name,
    )
  }
  const start = COMMANDS.find(({ name }) => name === 'start')
  const help = start === undefined ? '' : helpFor(start)
  t.same(
    SETTING_NAMES.filter(
      (name) => !help.includes(variableOf(name)) || !help.includes(flagOf(name)),
    ),
    [],
  )
})

t.test('a policy is given field by field', async (t) => {
  const given = 'balance=leastConn retry.tries=2 retry.statuses=[503] hash=null sticky.by=cookie'
  t.same(parseFields(given.split(' '), ''), {
    balance: 'leastConn',
    retry: { tries: 2, statuses: [503] },
    hash: null,
    sticky: { by: 'cookie' },
  })
  t.same(parseFields(['hash={"key":"uri"}', 'sticky.path=/a=b', 'pages.404.body=x'], ''), {
    hash: { key: 'uri' },
    sticky: { path: '/a=b' },
    pages: { 404: { body: 'x' } },
  })
  t.same(parseFields([], ''), {})
  t.throws(() => parseFields(['__proto__.x=1'], 'a=b'), UsageError)
})

t.test("an upstream's settings are given field by field, and shown", async (t) => {
  const { home } = await testApi(t)
  const run = async (...positionals: string[]): Promise<string> => {
    const lines: string[] = []
    const connect = () => connectLocal(join(home, 'api.sock'))
    const print = (line: string): void => void lines.push(line)
    const flags = new Map()
    const given = { connect, positionals, flags, print, json: false }
    await upstreams.run(given as unknown as Invocation)
    return lines.join('\n')
  }
  const given = await run('shop', 'tls.serverName=shop.internal', 'policy.retry.tries=2')
  t.match(given, /serverName: shop\.internal/)
  t.match(given, /shop: applied/)
  t.match(await run('shop'), /tries: 2[^]*verify: true/)
  await t.rejects(run('shop', 'tls.verify=maybe'), { code: 'invalid', field: 'tls.verify' })
  t.notMatch(await run('shop', 'tls=null'), /shop\.internal/)
  t.match(await run(), /shop +0 +0 +0/)
})

t.test('what looks like a typing error is said, and what it made can be deleted', async (t) => {
  const { call, home } = await testApi(t)
  const run = async (command: Command, positionals: string[], ...flags: string[]) => {
    const lines: string[] = []
    const connect = () => connectLocal(join(home, 'api.sock'))
    const print = (line: string): void => void lines.push(line)
    const given = { connect, positionals, flags: new Map(flags.map((flag) => [flag, 'true'])) }
    await command.run({ ...given, print, json: false } as unknown as Invocation)
    return lines.join('\n')
  }
  t.match(
    await run(policy, ['wbe', 'balance=leastConn']),
    /applied\nwarning: upstream wbe has no instances/,
  )
  await call('PUT', '/v1/upstreams/web/instances/a', { host: '10.0.0.1', port: 80 })
  const route = await run(routes, ['put', 'app', 'hosts=a.test', 'upstream=webb'])
  t.match(route, /\nwarning: there is no upstream webb.*did you mean web\?/)
  t.notMatch(route, /warnings=/, 'said once')
  t.equal(await run(upstreams, ['delete', 'wbe']), 'wbe is gone: applied')
  await t.rejects(run(upstreams, ['delete', 'web']), { code: 'not_empty' })
  t.equal(await run(upstreams, ['delete', 'web'], 'force'), 'web is gone: applied')
  t.match(await run(upstreams, []), /^no upstreams yet/)
})

t.test('an address is explained, whichever home is named', async (t) => {
  const { call, home } = await testApi(t)
  await call('PUT', '/v1/routes/app', { hosts: ['a.test'], upstream: 'web' })
  const explained = await sluice('explain', 'http://a.test/', '--json', '--home', home)
  t.match(explained, { code: 0, stdout: /"route":.*"app"/ })
  const headers = { 'x-a': '1', 'x-b': '2' }
  await call('PUT', '/v1/routes/both', { hosts: ['a.test'], upstream: 'web', headers })
  const said = ['--header', 'X-A: 1', '--header=X-B: 2']
  const both = await sluice('explain', 'http://a.test/', ...said, '--json', '--home', home)
  t.match(both, { code: 0, stdout: /"route":.*"both"/ }, 'all headers are sent')
  const one = await sluice('explain', 'http://a.test/', ...said.slice(0, 2), '--home', home)
  t.match(one, { code: 0, stdout: /id: app/ })
  await call('PUT', '/v1/routes/api', { hosts: ['a.test'], pathPrefix: '/api', upstream: 'web' })
  const left = await sluice('explain', 'http://a.test/api/../b?c=1#d', '--home', home)
  t.match(left, { code: 0, stdout: /path: \/b\n[^]*unclear_path/ }, 'a path goes as it was written')
  for (const wrong of ['ftp://a.test/', 'tls://', 'tcp://', 'tcp://a.test', 'http://']) {
    const refused = await sluice('explain', wrong, '--home', home)
    t.match(refused, { code: 2, stderr: new RegExp(`"${wrong}" is not an address such as`) }, wrong)
  }
})

t.test('without the token, and at the gateway: what to say instead', async (t) => {
  const { api } = await testApi(t)
  const refused = await sluice('status', '--api', api.url, '--home', temporaryFolder(t))
  t.equal(refused.code, 1)
  t.match(refused.stderr, `${api.url} needs a valid token: name its file with --token-file`)
  const gateway = createServer((_, response) => {
    response.writeHead(404, { 'content-type': 'application/problem+json' })
    response.end(JSON.stringify({ code: 'no_route', detail: 'No route leads from host 127.0.0.1' }))
  }).listen(0, '127.0.0.1')
  t.teardown(() => gateway.close())
  await once(gateway, 'listening')
  const url = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`
  const client = connect({
    home: temporaryFolder(t),
    url,
    ownUrl: 'http://127.0.0.1:1',
    token: 'x',
  })
  const asked = client.call({ method: 'GET', path: '/v1/gateways' })
  await t.rejects(asked, { code: 'no_route', message: `${url} is a gateway` })
  await client.close()
})

t.test('where nothing is known yet, what to do is said', async (t) => {
  const { call, home } = await testApi(t)
  const cases: Array<[command: string, said: RegExp]> = [
    ['upstreams', /^no upstreams yet; "sluice register web one 10.0.0.7:80" makes one/],
    ['certificates', /^no certificates yet; "sluice certificates put app /],
    ['suspects', /^no suspects\n$/],
    ['status', /^upstreams: 0;[^]*\nno upstreams yet; /],
  ]
  for (const [command, said] of cases) {
    t.match((await sluice(command, '--home', home)).stdout, said, command)
  }
  await call('PUT', '/v1/upstreams/web', {})
  const { stdout } = await sluice('instances', 'web', '--home', home)
  t.equal(stdout, 'no instances yet; "sluice register web one 10.0.0.7:80" adds one\n')
  t.notMatch((await sluice('status', '--home', home)).stdout, /no upstreams/)
})

t.test('to believe what nothing is held of says so', async (t) => {
  const { call, home } = await testApi(t)
  const unknown = await sluice('confirm', 'nope', '--home', home)
  t.match(unknown, { code: 1, stderr: /^sluice: there is no upstream nope\n$/ })
  await call('PUT', '/v1/upstreams/web', {})
  t.match(await sluice('confirm', 'web', '--home', home), {
    code: 0,
    stdout: /no suspects in web/,
  })
  t.match(await sluice('confirm', '--home', home), { code: 0, stdout: /^no suspects\n$/ })
})

t.test('the field that is wrong is named once', async (t) => {
  const { call, home } = await testApi(t)
  const begun = await sluice('policy', 'web', 'balance=best', '--home', home)
  t.match(begun.stderr, /^sluice: policy\.balance must be one of .* \(given: "best"\)\n$/)
  await call('PUT', '/v1/routes/app', { hosts: ['a.test'], upstream: 'web' })
  const put = ['routes', 'put', 'two', 'hosts=a.test', 'upstream=web']
  const other = await sluice(...put, '--home', home)
  t.match(other.stderr, /^sluice: route app has host a\.test .* already \(field: hosts\[0\]\)\n$/)
})

t.test('an engine that is not there is named', async (t) => {
  const address = `unix://${temporaryFolder(t)}/docker.sock`
  const { code, stderr } = await sluice('agent', '--print', '--docker', address)
  t.equal(code, 1)
  t.match(stderr, `no container engine answers at ${address} (setting docker): connect ENOENT`)
})

t.test('routes are set, shown and deleted', async (t) => {
  const { call, home } = await testApi(t)
  await call('PUT', '/v1/upstreams/web/instances/a', { host: '10.0.0.1', port: 80 })
  const say = async (json: boolean, file: string | undefined, ...positionals: string[]) => {
    const lines: string[] = []
    const connect = () => connectLocal(join(home, 'api.sock'))
    const print = (line: string): void => void lines.push(line)
    const flags = new Map(file === undefined ? [] : [['file', file]])
    await routes.run({ connect, positionals, flags, print, json } as unknown as Invocation)
    return lines.join('\n')
  }
  const run = (...positionals: string[]) => say(false, undefined, ...positionals)
  t.match(await run(), /^no routes yet; "sluice routes put app hosts=.*" makes one$/)
  const one =
    'put app hosts=app.test,www.test pathPrefix=/app upstream=web rewrite.stripPrefix=true'
  t.equal(
    await run(...one.split(' ')),
    'app: app.test www.test /app -> web rewrite.stripPrefix=true: applied',
  )
  t.match(await run('get', 'app'), /^id: app\nhosts:\n {2}- app\.test[^]*stripPrefix: true/m)
  const read = JSON.parse(await say(true, undefined, 'get', 'app')) as object
  t.match(read, { hosts: ['app.test', 'www.test'], rewrite: { stripPrefix: true } })
  const two = ['headers.X-Beta=yes', 'methods=GET,HEAD', 'split=[{"upstream":"a","weight":3}]']
  t.match(
    await run('put', 'beta', 'hosts=["app.test"]', ...two),
    /if GET,HEAD header:x-beta=yes -> a:3/,
  )
  t.equal(
    await run('put', 'gone', 'hosts=gone.test', 'pages.404.body=gone'),
    'gone: gone.test / -> answers 404 pages=404: applied',
  )
  t.match(
    await run('put', 'db', 'port=9100', 'protocol=tcp', 'upstream=db'),
    /^db: tcp 9100 -> db:/,
  )
  t.match(await run('put', 'pass', 'sni=db.test', 'upstream=db'), /^pass: sni db\.test -> db:/)
  t.match(await run(), /^app +app\.test www\.test +\/app +web +rewrite\.stripPrefix=true$/m)
  const many =
    'hosts=tuned.test upstream=web timeouts.readMs=5000 maxBodyBytes=1024 buffering=false requestHeaders.set.X-Token=secret'
  const long = [`upstreamHost=${'x'.repeat(30)}.test`, 'maintenance.body=<p>Back soon']
  await run('put', 'tuned', ...many.split(' '), ...long)
  const [tuned = ''] = /^tuned .*$/m.exec(await run()) ?? []
  t.match(tuned, /timeouts\.readMs=5000 maxBodyBytes=1024 buffering=false/)
  t.match(tuned, /requestHeaders\.set=X-Token/)
  t.notMatch(tuned, /secret/)
  t.match(tuned, /upstreamHost=x{23}… .* maintenance=503$/)
  t.match(await run('list'), /^db +tcp 9100 +db$/m)

  const file = join(temporaryFolder(t), 'route.json')
  writeFileSync(file, '{"hosts": ["file.test"], "upstream": "web"}')
  t.match(await say(false, file, 'put', 'filed'), /^filed: file\.test \/ -> web: applied$/)
  await t.rejects(say(false, file, 'put', 'filed', 'upstream=web'), UsageError)
  writeFileSync(file, '{"hosts": [')
  await t.rejects(say(false, file, 'put', 'filed'), { code: 'invalid', field: 'file' })
  await t.rejects(say(false, `${file}.none`, 'put', 'filed'), { code: 'invalid', field: 'file' })
  const wrong = run('put', 'app', 'hosts=app.test', 'upstream=web', 'rewrite.regex=x')
  await t.rejects(wrong, { code: 'invalid', field: 'rewrite.regex' })
  await t.rejects(run('get', 'none'), { code: 'not_found' })
  t.equal(await run('delete', 'app'), 'app is gone: applied')
  await t.rejects(run('delete', 'app'), { code: 'not_found' })
  t.notMatch(await run(), /^app /m)
})

t.test('nobody there: exit code 1, and where was looked', async (t) => {
  const { code, stderr } = await sluice(
    'status',
    '--home',
    temporaryFolder(t),
    '--api',
    'http://127.0.0.1:9',
  )
  t.equal(code, 1)
  t.match(stderr, /no controller answers at http:\/\/127\.0\.0\.1:9 .*sluice start/)
})

t.test('flags are read, wherever they stand', async (t) => {
  const options = {
    wait: { type: 'string', means: '' },
    force: { type: 'boolean', means: '' },
    header: { type: 'string', means: '', repeats: true },
  } as const
  const parse = (...args: string[]) => parseCommandLine(args, options)
  t.same(
    [...parse('a', '--wait', '3s', 'b', '--force').flags],
    [
      ['wait', '3s'],
      ['force', 'true'],
    ],
  )
  t.same(parse('a', '--wait=3s', 'b').positionals, ['a', 'b'])
  t.same([...parse('--wait=-1').flags], [['wait', '-1']])
  for (const [arg, value] of [
    ['--force=true', 'true'],
    ['--force=1', 'true'],
    ['--force=false', 'false'],
    ['--force=0', 'false'],
  ] as const) {
    const { flags } = parse(arg)
    t.same([...flags], [['force', value]], arg)
    t.equal(isOn(flags, 'force'), value === 'true', arg)
  }
  t.equal(isOn(parse().flags, 'force'), false)
  t.same([...parse('--header', 'b', '--header=a').repeated], [['header', ['b', 'a']]])
  t.same(parse('--', '--wait').positionals, ['--wait'])
  for (const args of [
    ['--wait'],
    ['--wait', '--force'],
    ['--no'],
    ['-x'],
    ['--wait=1', '--wait=2'],
    ['--force', '--force=false'],
    ['--force=no'],
  ]) {
    t.throws(() => parse(...args), UsageError, args.join(' '))
  }
})

t.test('a flag that is said to be off is off, with every command', async (t) => {
  const { call, home } = await testApi(t)
  const at = ['--home', home]
  const succeed = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await sluice(...args, ...at)
    t.equal(code, 0, `${args.join(' ')}: ${stderr}`)
    return stdout
  }
  const instance = async (): Promise<{ backup?: boolean }> =>
    (await call('GET', '/v1/upstreams/web/instances/a')).body as { backup?: boolean }
  await succeed('register', 'web', 'a', '10.0.0.7:80', '--backup=true')
  t.match(await instance(), { backup: true })
  await succeed('register', 'web', 'a', '10.0.0.7:80', '--backup=false')
  t.not((await instance()).backup, true)
  const off = ['--json=false', '--help=false', '--print-config=false']
  t.match(await succeed('instances', 'web', ...off), /^INSTANCE +ADDRESS/)
  t.match(JSON.parse(await succeed('instances', 'web', '--json=true')), { instances: [{}] })

  const authority = await makeAuthority(temporaryFolder(t))
  const { certificate, privateKey } = await authority.issue(['a.test'])
  const [chain, key] = [join(home, 'chain.pem'), join(home, 'key.pem')]
  writeFileSync(chain, certificate)
  writeFileSync(key, privateKey)
  const put = ['certificates', 'put', 'a', '--certificate', chain, '--key', key]
  await succeed(...put, '--default=false', '--client=false')
  const plain = (await call('GET', '/v1/certificates/a')).body as object
  t.notMatch(plain, { default: true })
  t.notMatch(plain, { client: true })
  await succeed(...put, '--default=true')
  t.match((await call('GET', '/v1/certificates/a')).body, { default: true })

  const printed = await sluice('start', '--http3=true', '--onetime=false', '--print-config', ...at)
  t.match(printed.stdout, /http3.*true.*flag --http3/)
  t.match(printed.stdout, /onetime.*false.*flag --onetime/)
})

t.test('undrain says what it cannot undo', async (t) => {
  const { control, home } = await testApi(t)
  const undrain = (id: string) => sluice('undrain', `web/${id}`, '--home', home)
  await sluice('register', 'web', 'a', '10.0.0.7:80', '--home', home)
  await sluice('drain', 'web/a', '--home', home)
  t.match(await undrain('a'), { code: 0, stdout: /web\/a is no longer drained: applied/ })

  const key = printKey({ kind: 'instances', upstream: 'web', id: 'a' })
  const { entry } = await control.registry.get(key)
  const stopped = { ...(JSON.parse(entry?.value ?? '') as object), state: 'draining' }
  await control.registry.commit([{ type: 'put', key, value: JSON.stringify(stopped) }])
  await until(async () => (await undrain('a')).code === 1, { what: 'the new state' })
  t.match((await undrain('a')).stdout, /no operator drains web\/a .*it is registered as draining/)
})

async function serve(
  t: Test,
  path: string,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<void> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(path, resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
}

t.test('the client speaks to the socket of the home, without a token', async (t) => {
  const home = temporaryFolder(t)
  const seen: string[] = []
  await serve(t, join(home, 'api.sock'), (request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization ?? 'no token'}`)
    response.end('{"a": 1}')
  })
  const client = connect({ home, url: undefined, ownUrl: 'http://127.0.0.1:9', token: 'secret' })
  t.teardown(() => client.close())
  t.same(await client.call({ method: 'GET', path: pathOf('upstreams', 'a/b') }), { a: 1 })
  t.same(seen, ['GET /v1/upstreams/a%2Fb no token'])
})

t.test(
  'a problem becomes an error with its code; anything else is said to be no answer of ours',
  async (t) => {
    const socket = join(temporaryFolder(t), 'api.sock')
    await serve(t, socket, (request, response) => {
      response.statusCode = request.url === '/html' ? 502 : 400
      response.end(
        request.url === '/html'
          ? '<html>'
          : JSON.stringify({
              code: 'invalid',
              title: 'T',
              detail: 'port must be whole',
              field: 'port',
            }),
      )
    })
    const client = connectLocal(socket)
    t.teardown(() => client.close())
    await t.rejects(client.call({ method: 'GET', path: '/' }), {
      code: 'invalid',
      message: 'port must be whole',
      field: 'port',
    })
    await t.rejects(client.call({ method: 'GET', path: '/html' }), {
      message: /answered 502 without JSON/,
    })
  },
)

t.test('columns are as wide as their cells, ages in the unit that fits', async (t) => {
  t.same(
    columns(
      ['a', 'long'],
      [
        ['wide', 1],
        ['x', ''],
      ],
    ),
    ['A     LONG', 'wide  1', 'x'],
  )
  t.same([age(20), age(65_000), age(600_000)], ['20 ms', '65 s', '10 min'])
})

t.test('what cannot be written is said in one line', async (t) => {
  const { call, home } = await testApi(t)
  await call('PUT', '/v1/upstreams/web/instances/a', { host: '10.0.0.1', port: 80 })
  await call('PUT', '/v1/routes/app', { hosts: ['a.test'], upstream: 'web' })
  const { nginx } = await tools()
  const at = ['--home', home]
  const conf = ['--home', temporaryFolder(t, 'conf'), '--nginx', nginx.path]
  const cases = [
    ...[['--help'], ['--version'], ['start', '--print-config', ...at], ['conf', ...conf]],
    ...[
      ['status', ...at],
      ['upstreams', ...at],
      ['instances', 'web', '--json', ...at],
    ],
    ...[
      ['routes', 'get', 'app', ...at],
      ['explain', 'http://a.test/', ...at],
    ],
    ...[
      ['gateways', ...at],
      ['drain', 'web/a', ...at],
    ],
  ]
  const full = openSync('/dev/full', 'w')
  const ended = await Promise.all(cases.map((args) => sluiceTo(full, ...args)))
  closeSync(full)
  for (const [i, { code, stderr }] of ended.entries()) {
    const command = cases[i]?.join(' ') ?? ''
    t.equal(code, 1, command)
    t.match(stderr, /^sluice: the output cannot be written: [^\n]*ENOSPC[^\n]*\n$/, command)
  }
  t.match((await call('GET', '/v1/upstreams/web/instances/a')).body, { state: 'draining' })
})

t.test('no text of others moves the cursor', async (t) => {
  t.equal(
    printable('a\u001b[31mred\r\u009b2J\u202e\u007f'),
    'a\\u001b[31mred\\u000d\\u009b2J\\u202e\\u007f',
  )
  t.equal(printable('an upstream – ü\tone\n'), 'an upstream – ü\tone\n')
  const { stderr } = await sluice(
    'drain',
    'web/a',
    '--home',
    '/nowhere',
    '--api',
    'http://a\u001b[2J',
  )
  t.notMatch(stderr, /\u001b/)
})

t.test(
  'a controller and an agent on their own: no signal of other daemons harms them, nor a full disk',
  async (t) => {
    const home = temporaryFolder(t, 'alone')
    const socket = join(home, 'api.sock')
    const ports = ['--api-port', String(await freePort()), '--http-port', String(await freePort())]
    const file = ['--mode', 'file', '--reload-command', 'true', ...ports]
    const engine = ['--docker', `unix://${join(home, 'none.sock')}`, '--registry', `unix:${socket}`]
    const full = openSync('/dev/full', 'w')
    t.teardown(() => closeSync(full))
    const stdio: StdioOptions = ['ignore', full, 'pipe']
    const children = [
      ['controller', '--home', home, ...file],
      ['agent', '--home', join(home, 'agent'), ...engine],
    ].map((args) => spawn(process.execPath, [PROGRAM, ...args], { stdio }))
    t.teardown(() => children.forEach((child) => child.kill('SIGKILL')))
    const said = children.map(() => '')
    children.forEach(({ stderr }, i) =>
      stderr?.setEncoding('utf8').on('data', (chunk: string) => (said[i] += chunk)),
    )
    const ended = children.map((child) => once(child, 'close'))
    const agents = async () =>
      (await sluice('status', '--json', '--home', home)).stdout.includes('engine_away')
    await until(agents, { deadlineMs: 30_000, what: 'both at work' })
    const pids = children.map(({ pid }) => pid ?? 0)
    for (const pid of pids) {
      process.kill(pid, 'SIGUSR1')
      process.kill(pid, 'SIGHUP')
    }
    t.equal((await sluice('suspects', '--home', home)).code, 0, 'the controller answers')
    t.same(
      children.map(({ exitCode, signalCode }) => exitCode ?? signalCode),
      [null, null],
    )
    const inspected = pids.filter((pid) => holdsAny(pid, tcpInodes(9229)) !== false)
    t.same(inspected, [], 'no inspector is open')
    children.forEach((child) => child.kill('SIGTERM'))
    t.same(await Promise.all(ended), [
      [0, null],
      [0, null],
    ])
    const lost = /^sluice: the output cannot be written: [^\n]*ENOSPC[^\n]*\n$/
    said.forEach((text) => t.match(text, lost, 'which each of them said'))
  },
)

t.test('an nginx of the user is not updated', async (t) => {
  const home = temporaryFolder(t, 'own')
  const { code, stderr } = await sluice('update', '--home', home, '--nginx', '/usr/sbin/nginx')
  t.equal(code, 2)
  t.match(stderr, /^sluice: nginx at \/usr\/sbin\/nginx is yours: renew it as you installed it\n$/)
})

t.test('a controller names the way out where nginx is too old for it', async (t) => {
  const home = temporaryFolder(t, 'old')
  const nginx = join(home, 'nginx')
  writeFileSync(nginx, "#!/bin/sh\necho 'nginx version: nginx/1.24.0' >&2\n", { mode: 0o755 })
  const { code, stderr } = await sluice('controller', '--home', home, '--nginx', nginx)
  t.equal(code, 1)
  t.match(stderr, /is nginx 1\.24\.0; Sluice needs 1\.26\.0 or newer.*SLUICE_MODE=file/)
})
