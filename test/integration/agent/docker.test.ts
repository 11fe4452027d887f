/** The agent as a process, a real dockerd and a real etcd. */
import { DEFAULT_DIALECTS } from '../../../agent/labels/dialect.js'
import type { LabelDialect } from '../../../runtime/config/kinds.js'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, request as ask } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { Agent } from '../../../agent/agent.js'
import { openEngine } from '../../../agent/engine/docker.js'
import { LeaseMemo } from '../../../agent/register/lease-memo.js'
import { printAgent } from '../../../agent/main.js'
import type { AgentRecord } from '../../../contract/record/agent-record.js'
import type { InstanceRecord } from '../../../contract/record/instance-record.js'
import { openEtcd } from '../../../registry/etcd/registry.js'
import type { Change, Registry } from '../../../registry/registry.js'
import { silentLogger as log } from '../../../runtime/logger.js'
import type { Settings } from '../../../runtime/config/settings.js'
import { AgentProcess } from '../../support/started-agent.js'
import type { AgentProcessSettings } from '../../support/started-agent.js'
import { dockerUnavailable, importImage, startDockerd } from '../../../lab/engines/dockerd.js'
import type { Dockerd } from '../../../lab/engines/dockerd.js'
import { startEtcd } from '../../../lab/engines/etcd.js'
import type { Etcd } from '../../../lab/engines/etcd.js'
import { noEtcdSettings } from '../../support/registry-subjects.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

const IMAGE = 'sluice-test'
const AGENT = 'node-1'
const TTL_MS = 60_000
/** etcd is read by other machines; these networks are said to be reached from all of them. */
const NETWORKS = ['bridge', 'zoo', 'app']
const HEALTH = [
  ...['--health-cmd', 'test ! -e /tmp/ill && test -e /tmp/well'],
  ...['--health-interval', '200ms', '--health-retries', '1', '--health-timeout', '5s'],
]

const agentSettings: AgentProcessSettings['agent'] = {
  ...{ id: AGENT, address: undefined, networks: NETWORKS, ttlMs: TTL_MS, token: undefined },
  labels: { hosts: undefined, upstreams: undefined },
  dialects: DEFAULT_DIALECTS,
}

t.setTimeout(400_000)

let dockerd: Dockerd
let etcd: Etcd
let clusters = 0

interface RunState {
  startedAt: string | undefined
  state: string
}

/** A container of each dialect, and what becomes of it. */
const DIALECT_CONTAINERS: Array<{
  dialect: LabelDialect
  options: string[]
  upstream: string
  route?: object
}> = [
  {
    dialect: 'registrator',
    options: ['-P', '-l', 'SERVICE_NAME=tcpfront-9101', '-l', 'SERVICE_TAGS=tcp'],
    upstream: 'tcpfront-9101',
    route: { port: 9101, protocol: 'tcp' },
  },
  {
    dialect: 'nginx-proxy',
    options: ['-e', 'VIRTUAL_HOST=foo.example', '-e', 'VIRTUAL_PATH=/app/', '-e', 'VIRTUAL_DEST=/'],
    upstream: 'foo-example-app',
    route: { hosts: ['foo.example'], pathPrefix: '/app', rewrite: { stripPrefix: true } },
  },
  {
    dialect: 'angie',
    options: ['-l', 'angie.http.upstreams.u.port=80', '-l', 'angie.http.upstreams.u.weight=2'],
    upstream: 'u',
  },
  {
    dialect: 'traefik',
    options: [
      ...['-l', 'traefik.http.routers.r.rule=Host(`t.example`) && PathPrefix(`/api/`)'],
      ...['-l', 'traefik.http.services.shop.loadbalancer.server.port=80'],
    ],
    upstream: 'shop',
    route: { hosts: ['t.example'], pathPrefix: '/api' },
  },
]

/** One agent in a part of the registry for its test alone, and all that happens there. */
class Rig {
  readonly cluster = `c${++clusters}`
  readonly changes: Change[] = []
  readonly registry: Registry
  readonly settings: AgentProcessSettings
  agent: AgentProcess
  readonly #t: Test
  #containers = 0

  constructor(t: Test, more: Partial<AgentProcessSettings> = {}) {
    const url = `etcd://127.0.0.1:${etcd.clientPort}`
    this.#t = t
    this.registry = openEtcd({ url, cluster: this.cluster, settings: noEtcdSettings, log })
    this.settings = {
      home: temporaryFolder(t, 'agent'),
      registry: url,
      cluster: this.cluster,
      etcd: noEtcdSettings,
      docker: `unix://${dockerd.socket}`,
      allowLoopback: false,
      agent: agentSettings,
      logLevel: 'debug',
      ...more,
    }
    this.registry.watch([''], {
      onListing: () => undefined,
      onChanges: (changes) => this.changes.push(...changes),
      onConnected: () => undefined,
    })
    this.agent = new AgentProcess(this.settings)
    t.teardown(async () => {
      if (!t.passing()) {
        t.comment(this.agent.lines.slice(-40).join('\n'))
      }
      await this.agent.end('SIGKILL')
      await this.registry.close()
    })
  }

  /** Starts a container of this test's own upstream; its name. */
  async run(options: string[], command: string[] = []): Promise<string> {
    const name = `${this.cluster}-${++this.#containers}`
    const labels = ['-l', `sluice.upstream=${this.cluster}`]
    this.#t.teardown(() => dockerd.docker('rm', '-f', name).catch(() => undefined))
    await dockerd.docker('run', '-d', '--name', name, ...labels, ...options, IMAGE, ...command)
    return name
  }

  key(name: string, port = 80): string {
    return `instances/${this.cluster}/${AGENT}:${name}:${port}`
  }

  async record(name: string, port = 80): Promise<InstanceRecord | undefined> {
    const { entries } = await this.registry.list(this.key(name, port))
    return entries[0] && (JSON.parse(entries[0].value) as InstanceRecord)
  }

  async becomes(name: string, state: string, deadlineMs = 20_000): Promise<InstanceRecord> {
    const what = `${name} ${state}`
    const is = async () => {
      const record = await this.record(name)
      return record?.state === state ? record : undefined
    }
    return until(is, { deadlineMs, what })
  }

  /** The watch knows it a moment after the registry. */
  async goes(name: string, deadlineMs = 20_000): Promise<void> {
    const last = () => this.changes.filter(({ key }) => key === this.key(name)).at(-1)
    const gone = async () => (await this.record(name)) === undefined && last()?.type !== 'put'
    await until(gone, { deadlineMs, what: `${name} gone` })
  }

  /** What happened to an instance, in order: its states, `gone`, `deleted`. */
  history(name: string, from = 0): string[] {
    const key = this.key(name)
    const states = this.changes
      .slice(from)
      .filter((change) => change.key === key)
      .map((change) => {
        if (change.type === 'delete') {
          return 'deleted'
        }
        const { gone, state } = JSON.parse(change.value) as InstanceRecord
        return gone ? 'gone' : state
      })
    // One state may be said twice, once with more of a reason.
    return states.filter((state, i) => state !== states[i - 1])
  }

  /** Until the agent's own record has such a field, as JSON; undefined: it has none. */
  async says(field: 'engine' | 'problems', pattern: RegExp | undefined): Promise<void> {
    const says = async () => {
      const [host] = (await this.registry.list('hosts/')).entries
      const value = host && (JSON.parse(host.value) as AgentRecord)[field]
      return pattern === undefined
        ? host !== undefined && value === undefined
        : pattern.test(JSON.stringify(value) ?? '')
    }
    await until(says, { what: `${field} of which is said ${String(pattern)}` })
  }

  /** What was said of an instance's runs, in order. */
  runsOf(name: string, from: number): RunState[] {
    const key = this.key(name)
    return this.changes.slice(from).flatMap((change) => {
      if (change.key !== key || change.type === 'delete') {
        return []
      }
      const { state, metadata } = JSON.parse(change.value) as InstanceRecord
      return [{ startedAt: metadata?.startedAt, state }]
    })
  }

  /** Everything that the test's own containers have in the registry. */
  async instances(): Promise<string[]> {
    const { entries } = await this.registry.list(`instances/${this.cluster}/`)
    return entries.map(({ key }) => key)
  }
}

interface Confused {
  path: string
  /** Whether it knows none of the containers that it lists, and how often it said so. */
  forgets: boolean
  /** Whether it lists none, and knows none, as one that began anew in an empty folder. */
  isEmpty: boolean
  denials: number
}

/** The engine as it is, but for its events, which never come. */
async function withoutEvents(t: Test): Promise<Confused> {
  const path = join(temporaryFolder(t, 'deaf'), 'docker.sock')
  const engine: Confused = { path, forgets: false, isEmpty: false, denials: 0 }
  const server = createServer((request, response) => {
    const { method, url = '', headers } = request
    if (url.startsWith('/events')) {
      return response.flushHeaders()
    }
    if (engine.isEmpty && url.startsWith('/containers/json')) {
      return response.writeHead(200, { 'content-type': 'application/json' }).end('[]')
    }
    if ((engine.forgets || engine.isEmpty) && /^\/containers\/\w{64}\/json/.test(url)) {
      engine.denials += 1
      return response.writeHead(404).end('{"message":"No such container"}')
    }
    const forward = ask({ socketPath: dockerd.socket, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    return request.pipe(forward)
  })
  server.listen(path)
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return engine
}

/** In this process, with comparisons that come soon. Answers what ends it. */
function startAgent(t: Test, rig: Rig, engine: Confused): () => Promise<void> {
  const agent = new Agent({
    registry: rig.registry,
    machine: { agent: AGENT, address: undefined, allowLoopback: false },
    open: () => openEngine(`unix://${engine.path}`),
    memo: new LeaseMemo(join(rig.settings.home, 'agent-lease.json'), 'test', log),
    ttlMs: TTL_MS,
    log,
    engineResyncMs: 200,
    registryResyncMs: 200,
    routesLingerMs: 200,
  })
  const stop = new AbortController()
  const running = agent.run(stop.signal)
  const end = async () => {
    stop.abort()
    await running
  }
  t.teardown(end)
  return end
}

/** Once this is registered, the agent has dealt with all that came before. */
async function fence(rig: Rig): Promise<void> {
  await rig.becomes(await rig.run([]), 'up')
}

function logged(rig: Rig, pattern: RegExp): boolean {
  return rig.agent.lines.some((line) => pattern.test(line))
}

t.test('the agent and a real engine', { skip: dockerUnavailable() ?? false }, async (t) => {
  ;[dockerd, etcd] = await Promise.all([startDockerd(), startEtcd()])
  t.teardown(async () => {
    await Promise.all([dockerd.stop(), etcd.stop()])
  })
  await importImage(dockerd.socket, IMAGE)

  t.test('a container is up once it answers, draining when stopped, then gone', async (t) => {
    const rig = new Rig(t)
    // It listens only when told, and goes on for a while after SIGTERM, as a polite application
    // does.
    const script = `process.on('SIGTERM', () => setTimeout(() => process.exit(), 500));
      const { existsSync } = require('node:fs');
      const timer = setInterval(() => existsSync('/tmp/go') &&
        (clearInterval(timer), require('node:http').createServer((_, r) => r.end()).listen(80)), 20)`
    const name = await rig.run(['-l', 'sluice.weight=5'], ['node', '-e', script])
    const { reason } = await rig.becomes(name, 'down')
    t.match(reason, /does not take connections/)
    await dockerd.docker('exec', name, 'touch', '/tmp/go')
    const up = await rig.becomes(name, 'up')
    const address = await dockerd.docker(
      ...['inspect', '-f', '{{.NetworkSettings.IPAddress}}', name],
    )
    t.match(up, { host: address, port: 80, weight: 5, agent: AGENT, metadata: { container: name } })
    const [host] = (await rig.registry.list('hosts/')).entries
    t.match(JSON.parse(host?.value ?? '') as AgentRecord, { containers: 1 })

    await dockerd.docker('kill', '-s', 'USR1', name).catch(() => undefined)
    await dockerd.docker('stop', name)
    const said = async () => (await rig.record(name))?.reason?.includes('exit code 0')
    await until(said, { what: 'how it ended' })
    t.match(await rig.record(name), { state: 'down', host: address })
    await dockerd.docker('rm', name)
    await rig.goes(name)
    t.same(rig.history(name), ['down', 'up', 'draining', 'down', 'gone', 'deleted'])
  })

  // As the conformance suite has it of every source; a thousand containers would take too long.
  t.test(
    'containers change under their names, and go all at once when all are removed',
    async (t) => {
      const rig = new Rig(t)
      const names = [await rig.run(['-l', 'sluice.weight=5']), await rig.run([])]
      const [changed = '', other = ''] = names
      await Promise.all(names.map(async (name) => rig.becomes(name, 'up')))
      await dockerd.docker('rm', '-f', changed)
      const labels = ['-l', `sluice.upstream=${rig.cluster}`, '-l', 'sluice.weight=7']
      await dockerd.docker('run', '-d', '--name', changed, ...labels, IMAGE)
      const isChanged = async () => {
        const record = await rig.record(changed)
        return record?.state === 'up' && record.weight === 7
      }
      await until(isChanged, { what: 'the new container', deadlineMs: 20_000 })
      t.same((await rig.instances()).sort(), names.map((name) => rig.key(name)).sort())
      await dockerd.docker('rm', '-f', changed, other)
      await Promise.all(names.map(async (name) => rig.goes(name)))
      t.same(await rig.instances(), [], 'the engine itself says that they are removed')
    },
  )

  t.test('only a stop signal drains; pausing is down; a restart comes back', async (t) => {
    const rig = new Rig(t)
    const serve = `process.on('SIGUSR1', () => {}); process.on('SIGQUIT', () => process.exit());
      require('node:http').createServer((_, r) => r.end()).listen(80)`
    const name = await rig.run(['--stop-signal', 'QUIT'], ['node', '-e', serve])
    await rig.becomes(name, 'up')
    await dockerd.docker('kill', '-s', 'USR1', name)
    await dockerd.docker('pause', name)
    t.match(await rig.becomes(name, 'down'), { reason: /paused/ })
    await dockerd.docker('unpause', name)
    await rig.becomes(name, 'up')
    await dockerd.docker('restart', name)
    const isBack = () => /draining down up$/.test(rig.history(name).join(' '))
    await until(isBack, { what: 'SIGQUIT as its stop signal' })
    t.notOk(rig.history(name).slice(0, 4).includes('draining'), "USR1 is the application's")
  })

  t.test('who is told to stop and goes on serves again after its grace', async (t) => {
    const rig = new Rig(t)
    const stubborn = `process.on('SIGTERM', () => {});
      require('node:http').createServer((_, r) => r.end()).listen(80)`
    const name = await rig.run(['--stop-timeout', '1'], ['node', '-e', stubborn])
    await rig.becomes(name, 'up')
    await dockerd.docker('kill', '-s', 'TERM', name)
    await rig.becomes(name, 'draining')
    await rig.becomes(name, 'up')
  })

  t.test('HEALTHCHECK decides whether a container serves', async (t) => {
    const rig = new Rig(t)
    const name = await rig.run([...HEALTH, '--health-start-period', '30s'])
    t.match(await rig.becomes(name, 'down'), { reason: /starting/ })
    await dockerd.docker('exec', name, 'touch', '/tmp/well')
    await rig.becomes(name, 'up')
    await dockerd.docker('exec', name, 'touch', '/tmp/ill')
    t.match(await rig.becomes(name, 'down'), { reason: /unhealthy/ })
    await dockerd.docker('exec', name, 'rm', '/tmp/ill')
    await rig.becomes(name, 'up')
  })

  t.test('wrong labels refuse one container by name; the rest goes on', async (t) => {
    const rig = new Rig(t)
    const bad = await rig.run(['-l', 'sluice.port=http'])
    const traits = ['max-conns=7', 'backup=true', 'zone=eu-1', 'weight=3', 'typo=1']
    const good = await rig.run(traits.flatMap((trait) => ['-l', `sluice.${trait}`]))
    const ignored = `${rig.cluster}-ignored`
    const services = ['-P', '-e', 'SERVICE_NAME=web', '-e', 'SERVICE_IGNORE=1']
    await dockerd.docker('run', '-d', '--name', ignored, ...services, IMAGE)
    t.teardown(() => dockerd.docker('rm', '-f', ignored).catch(() => undefined))
    await rig.becomes(good, 'up')
    t.equal(await rig.record(bad), undefined)
    const refused = new RegExp(`"container":"${bad}","refused":\\["sluice.port.*container refused`)
    await until(() => logged(rig, refused), { what: 'the refusal in the log' })
    t.ok(logged(rig, /sluice\.typo is no label that Sluice knows/))

    const printed = await printAgent(rig.settings as Settings)
    t.match(printed, new RegExp(`^${bad} \\(.*\\n  refused: sluice\\.port "http" must be`, 'm'))
    const up = `up  ${rig.cluster}  ${AGENT}:${good}:80  .*  weight 3  max-conns 7  backup  zone eu-1$`
    t.match(printed, new RegExp(`^${good} \\(.*\\n  ${up}`, 'm'))
    t.match(printed, new RegExp(`^${ignored} \\(.*\\n  left alone: each of its ports is ign`, 'm'))
    t.match(printed, /network bridge: the only one/)
    t.match(printed, /port 80: the only one exposed/)
  })

  t.test('labels of other tools mean here what they mean there', async (t) => {
    const all = DIALECT_CONTAINERS.map(({ dialect }) => dialect)
    const dialects = { ...DEFAULT_DIALECTS, dialects: all }
    const rig = new Rig(t, { agent: { ...agentSettings, dialects } })
    for (const { dialect, options, upstream, route } of DIALECT_CONTAINERS) {
      const name = `${rig.cluster}-${dialect}`
      t.teardown(() => dockerd.docker('rm', '-f', name).catch(() => undefined))
      await dockerd.docker('run', '-d', '--name', name, ...options, IMAGE)
      const key = `instances/${upstream}/${AGENT}:${name}:80`
      const entry = async () => {
        const { entries } = await rig.registry.list(key)
        return entries[0] && (JSON.parse(entries[0].value) as InstanceRecord).state === 'up'
      }
      await until(entry, { what: `${dialect}: ${key}` })
      const routes = (await rig.registry.list('routes/')).entries.map(({ value }) => value)
      const its = routes.map((value) => JSON.parse(value) as { upstream?: string })
      const known = its.find((each) => each.upstream === upstream)
      t.match(known, route, `${dialect}: ${routes.join()}`)
    }
  })

  t.test(
    'hostile labels are refused by name, and what is shown of them moves no terminal',
    async (t) => {
      const upstreams = [`c${clusters + 1}`]
      const rig = new Rig(t, {
        agent: { ...agentSettings, labels: { hosts: ['*.example'], upstreams } },
      })
      const host = ['-l', 'sluice.host=a.example']
      const file = join(rig.settings.home, 'labels')
      const crowd = Array.from({ length: 2000 }, (_, i) => `sluice.p${i}.port=80`)
      writeFileSync(file, crowd.join('\n'))
      const hostile: Array<[options: string[], why: RegExp]> = [
        [['-l', 'sluice.host=*'], /host \\"\*\\" is every host/],
        [[...host, '-l', 'sluice.path=/.well-known/acme-challenge/x'], /answers certificate chall/],
        [
          ['-l', 'sluice.host=bank.test'],
          /host \\"bank\.test\\" is not among those that SLUICE_LABEL_HOSTS allows/,
        ],
        [
          ['-l', 'sluice.upstream=bank', '-l', 'sluice.weight=1000'],
          /upstream bank is not among those that SLUICE_LABEL/,
        ],
        [['--label-file', file], /a container may have 256 instances/],
        [
          ['-l', 'sluice.upstream=\u001b[31mred\u009b2J\u202e'],
          /must be 1 to 63 characters of a-z/,
        ],
      ]
      const names: string[] = []
      for (const [options] of hostile) {
        names.push(await rig.run(options))
      }
      const odd = await rig.run(['-l', 'sluice.\u001b]0;title\u0007=x'])
      await rig.becomes(odd, 'up')
      for (const [i, [, why]] of hostile.entries()) {
        const refused = new RegExp(`"container":"${names[i]}".*${why.source}.*container refused`)
        await until(() => logged(rig, refused), { what: `the refusal of ${why}` })
      }
      t.same(await rig.instances(), [rig.key(odd)])
      t.same((await rig.registry.list('routes/')).entries, [])
      t.ok(logged(rig, /is no label that Sluice knows/))
      const unsafe = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/
      t.notOk(rig.agent.lines.some((line) => unsafe.test(line) || line.length > 5000))
    },
  )

  t.test('labels of an image serve only where the container enables them', async (t) => {
    const rig = new Rig(t)
    const [made, quiet, asked] = ['made', 'quiet', 'asked'].map((each) => `${rig.cluster}-${each}`)
    const image = `${made}:labelled`
    t.teardown(async () => {
      for (const name of [made, quiet, asked]) {
        await dockerd.docker('rm', '-f', name ?? '').catch(() => undefined)
      }
      await dockerd.docker('rmi', '-f', image).catch(() => undefined)
    })
    await dockerd.docker('create', '--name', made ?? '', IMAGE)
    const label = `LABEL sluice.upstream=${rig.cluster}`
    await dockerd.docker('commit', '--change', label, made ?? '', image)
    await dockerd.docker('run', '-d', '--name', quiet ?? '', image)
    await dockerd.docker('run', '-d', '--name', asked ?? '', '-l', 'sluice.enable=true', image)
    await rig.becomes(asked ?? '', 'up')
    t.same(await rig.instances(), [rig.key(asked ?? '')])
    const printed = await printAgent(rig.settings as Settings)
    t.match(
      printed,
      new RegExp(`^${quiet} \\(.*\\n  left alone: all of its labels are from its image`, 'm'),
    )
  })

  t.test('of several networks the same one is taken each time, or the one named', async (t) => {
    const rig = new Rig(t)
    const addressOn = (name: string, network: string) =>
      dockerd.docker(
        ...['inspect', '-f', `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, name],
      )
    for (const network of ['zoo', 'app']) {
      await dockerd.docker('network', 'create', network)
      t.teardown(() => dockerd.docker('network', 'rm', network).catch(() => undefined))
    }
    const healthy = ['--health-cmd', 'true', '--health-interval', '200ms']
    const free = await rig.run(['--network', 'zoo', ...healthy])
    const tied = await rig.run(['--network', 'zoo', '-l', 'sluice.network=zoo', ...healthy])
    for (const name of [free, tied]) {
      await dockerd.docker('network', 'connect', 'app', name)
    }
    const onApp = await addressOn(free, 'app')
    await until(async () => (await rig.record(free))?.host === onApp, { what: 'first by name' })
    t.equal((await rig.becomes(tied, 'up')).host, await addressOn(tied, 'zoo'))
    await dockerd.docker('network', 'disconnect', 'app', free)
    const onZoo = await addressOn(free, 'zoo')
    await until(async () => (await rig.record(free))?.host === onZoo, { what: 'the other one' })
  })

  t.test('a host label keeps a route while a container asks for it', async (t) => {
    const rig = new Rig(t)
    const labels = ['-l', 'sluice.host=app.example', '-l', 'sluice.path=/api']
    const names = [await rig.run(labels), await rig.run(labels)]
    const routes = async () => (await rig.registry.list('routes/')).entries
    const [entry] = await until(async () => ((await routes()).length > 0 ? routes() : undefined))
    t.match(JSON.parse(entry?.value ?? ''), {
      hosts: ['app.example'],
      pathPrefix: '/api',
      upstream: rig.cluster,
    })
    for (const name of names) {
      await rig.becomes(name, 'up')
    }
    await dockerd.docker('rm', '-f', names[0] ?? '')
    await rig.goes(names[0] ?? '')
    t.equal((await routes()).length, 1)
    const green = await rig.run([...labels, '-l', `sluice.upstream=${rig.cluster}-green`])
    await rig.says('problems', /"host_contested".*app\.example\/api belongs.*-green .*wants it/)
    await dockerd.docker('rm', '-f', green)
    await rig.says('problems', undefined)
    await dockerd.docker('rm', '-f', names[1] ?? '')
    await rig.goes(names[1] ?? '')
    t.equal((await routes()).length, 1, 'and a while longer, as containers are made anew')
  })

  t.test('who listens is up, though its agent does not reach where it is published', async (t) => {
    // What is published on the loopback of the engine's namespace is not on this one's.
    const agent = { ...agentSettings, address: '127.0.0.1' }
    const rig = new Rig(t, { agent, allowLoopback: true })
    const name = await rig.run(['-p', '127.0.0.1::80'])
    const record = await rig.becomes(name, 'up')
    t.match(record, { host: '127.0.0.1', reason: /^agent node-1 does not reach this address/ })
    await rig.says('problems', /"address_unreached","subject":"127\.0\.0\.1:\d+".*each gateway/)
    await rig.agent.end('SIGKILL')
    const from = rig.changes.length
    rig.agent = new AgentProcess(rig.settings)
    await fence(rig)
    t.same(rig.history(name, from), [], 'its next life knows it, too')
    await dockerd.docker('rm', '-f', name)
    await rig.goes(name)
  })

  t.test('an agent killed and started again removes nothing and doubles nothing', async (t) => {
    const rig = new Rig(t)
    const stubborn = `process.on('SIGTERM', () => {});
      require('node:http').createServer((_, r) => r.end()).listen(80)`
    const names = [
      await rig.run([]),
      await rig.run([]),
      await rig.run(['--stop-timeout', '600'], ['node', '-e', stubborn]),
    ]
    for (const name of names) {
      await rig.becomes(name, 'up')
    }
    const [, stopped = '', stopping = ''] = names
    await dockerd.docker('kill', '-s', 'TERM', stopping)
    await rig.becomes(stopping, 'draining')
    const from = rig.changes.length

    await rig.agent.end('SIGKILL')
    await dockerd.docker('rm', '-f', stopped)
    rig.agent = new AgentProcess(rig.settings)
    await rig.goes(stopped)
    await fence(rig)
    t.same(rig.history(names[0] ?? '', from), [], 'the one that stayed was not touched')
    t.same(rig.history(stopping, from), [], 'the one that is told to stop still drains')
    t.equal((await rig.instances()).length, 3)

    const before = rig.changes.length
    t.equal(await rig.agent.end('SIGTERM'), 0, 'SIGTERM ends it well')
    rig.agent = new AgentProcess(rig.settings)
    await fence(rig)
    for (const name of [names[0] ?? '', stopping]) {
      t.same(rig.history(name, before), [])
    }
  })

  t.test('what happened while the agent was frozen is made up for', async (t) => {
    const rig = new Rig(t)
    const [first, second] = [await rig.run([]), await rig.run([])]
    for (const name of [first, second]) {
      await rig.becomes(name, 'up')
    }
    rig.agent.signal('SIGSTOP')
    await dockerd.docker('rm', '-f', first)
    const third = await rig.run([])
    rig.agent.signal('SIGCONT')
    await Promise.all([rig.goes(first), rig.becomes(third, 'up')])
    t.same(rig.history(second), ['down', 'up'].slice(-rig.history(second).length))
  })

  t.test('events that never come are made up for by the regular comparison', async (t) => {
    const rig = new Rig(t, { docker: 'off' })
    const engine = await withoutEvents(t)
    startAgent(t, rig, engine)
    const name = await rig.run(['-l', 'sluice.host=app.example'])
    await rig.becomes(name, 'up')
    await dockerd.docker('pause', name)
    await rig.becomes(name, 'down')
    const routes = async () => (await rig.registry.list('routes/')).entries
    t.equal((await routes()).length, 1)
    engine.forgets = true
    await until(() => engine.denials >= 4, { what: 'an engine that knows nobody' })
    t.match(await rig.record(name), { state: 'down' }, 'what it lists still exists')
    await rig.says('engine', /does not know what it lists/)
    engine.isEmpty = true
    await rig.says('engine', /lists none of the containers that run/)
    t.match(await rig.record(name), { state: 'down' }, 'its process lives')
    await rig.registry.commit([{ type: 'delete', key: rig.key(name) }])
    await rig.says('engine', undefined)
    t.same(await rig.instances(), [], 'an operator knows better')
    engine.forgets = engine.isEmpty = false
    await rig.becomes(name, 'down')
    await dockerd.docker('rm', '-f', name)
    await rig.goes(name)
    await until(async () => (await routes()).length === 0, { what: 'the route gone' })
  })

  t.test('an agent that starts at an engine that lists nothing keeps who lives', async (t) => {
    const rig = new Rig(t, { docker: 'off' })
    const engine = await withoutEvents(t)
    const stopFirst = startAgent(t, rig, engine)
    const [stays, dies] = [await rig.run(['-l', 'sluice.host=app.example']), await rig.run([])]
    for (const name of [stays, dies]) {
      await rig.becomes(name, 'up')
    }
    await stopFirst()
    engine.isEmpty = true
    startAgent(t, rig, engine)
    await rig.says('engine', /lists none of the containers registered before \(\S+, \S+\)/)
    t.same(rig.history(stays).at(-1), 'up')
    t.equal((await rig.registry.list('routes/')).entries.length, 1, 'its route, too')
    await dockerd.docker('kill', dies)
    t.match(await rig.becomes(dies, 'down'), { reason: /process has ended/ })
    t.match(await rig.record(stays), { state: 'up' })
    await rig.registry.commit([{ type: 'delete', key: rig.key(stays) }])
    await rig.says('engine', undefined)
    const isEmpty = async () => (await rig.instances()).length === 0
    await until(isEmpty, { what: 'nothing: an operator knows better' })
    engine.isEmpty = false
    await rig.becomes(stays, 'up')
  })

  t.test('while the registry is away containers change, and afterwards it is level', async (t) => {
    const rig = new Rig(t)
    const [stays, dies] = [await rig.run([]), await rig.run([])]
    for (const name of [stays, dies]) {
      await rig.becomes(name, 'up')
    }
    const from = rig.changes.length
    await etcd.kill9()
    await dockerd.docker('rm', '-f', dies)
    const born = await rig.run([])
    await etcd.restart()
    await Promise.all([rig.goes(dies, 20_000), rig.becomes(born, 'up', 20_000)])
    t.same(rig.history(stays, from), [])
  })

  t.test("a dead agent's instances go when its lease ends", async (t) => {
    const agent = { ...agentSettings, ttlMs: 2000 }
    const rig = new Rig(t, { agent })
    const name = await rig.run([])
    await rig.becomes(name, 'up')
    await rig.agent.end('SIGKILL')
    await rig.goes(name, 15_000)
    const last = rig.changes.filter(({ key }) => key === rig.key(name)).at(-1)
    t.not(last?.type === 'delete' && last.expired, false, 'it expired, nobody deleted it')
    t.notOk(rig.history(name).includes('gone'))
    rig.agent = new AgentProcess(rig.settings)
    await rig.becomes(name, 'up')
  })

  t.test('an engine that goes takes no container with it', async (t) => {
    const rig = new Rig(t)
    const [stays, dies] = [await rig.run([]), await rig.run([])]
    for (const name of [stays, dies]) {
      await rig.becomes(name, 'up')
    }
    const from = rig.changes.length
    const pid = await dockerd.docker('inspect', '-f', '{{.State.Pid}}', dies)
    await dockerd.kill9()
    await until(() => logged(rig, /container engine away/), { what: 'the agent notices' })
    t.equal((await rig.instances()).length, 2, 'the engine is away, the containers need not be')
    await killInside(pid)
    t.match(await rig.becomes(dies, 'down'), { reason: /stopped/ }, 'its address may be reused')
    await dockerd.restart()
    await fence(rig)
    t.same(rig.history(stays, from), [])

    await dockerd.restart()
    await fence(rig)
    t.same(rig.history(stays, from), [])
  })

  t.test(
    'an engine that ends its containers brings nobody back under an old address',
    async (t) => {
      const before = dockerd
      dockerd = await startDockerd({ liveRestore: false })
      t.teardown(async () => {
        await dockerd.stop()
        dockerd = before
      })
      await importImage(dockerd.socket, IMAGE)
      const rig = new Rig(t)
      const names = [await rig.run(['--restart=always']), await rig.run(['--restart=always'])]
      for (const end of [() => dockerd.kill9(), () => Promise.resolve()]) {
        const runs = await Promise.all(names.map((name) => rig.becomes(name, 'up')))
        const from = rig.changes.length
        await end()
        await dockerd.restart()
        for (const [i, name] of names.entries()) {
          const old = runs[i]?.metadata?.startedAt
          const isBack = async () => {
            const record = await rig.record(name)
            const isNew = record?.state === 'up' && record.metadata?.startedAt !== old
            return isNew ? record : undefined
          }
          const record = await until(isBack, { deadlineMs: 30_000, what: `${name} back` })
          t.equal(record.host, await addressOf(name))
          const states = rig.runsOf(name, from)
          const isOver = ({ startedAt, state }: RunState) => startedAt === old && state === 'down'
          const firstNew = states.findIndex(({ startedAt }) => startedAt !== old)
          t.ok(states.slice(0, firstNew).some(isOver), 'down before the engine listed it anew')
        }
      }
    },
  )
})

/** The engine has a process namespace of its own, in which `pid` counts. */
async function killInside(pid: string): Promise<void> {
  const inside = ['-t', String(dockerd.pid), '-m', '-p', '--', '/usr/bin/busybox']
  await promisify(execFile)('nsenter', [...inside, 'kill', '-KILL', pid])
}

async function addressOf(name: string): Promise<string> {
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'
  return dockerd.docker('inspect', '-f', format, name)
}
