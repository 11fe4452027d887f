/** One container → the instances and routes that it asks for, in both dialects. */
import t from 'tap'
import type { Container } from '../../../../agent/engine/container.js'
import { readLabels } from '../../../../agent/plan/labels.js'
import type { AgentHost } from '../../../../agent/plan/place.js'
import { container } from '../container-fixture.js'

const HOST: AgentHost = { agent: 'node-1', address: undefined, allowLoopback: false }

interface Case {
  name: string
  labels?: Record<string, string>
  rest?: Partial<Container>
  host?: Partial<AgentHost>
  /** `upstream id host:port weight [hosts+path …]` of each instance. */
  want?: string[]
  refused?: RegExp[]
  warnings?: RegExp[]
  why?: RegExp
  asked?: boolean
}

function read({ labels = {}, rest = {}, host = {} }: Case) {
  return readLabels(container({ ...rest, labels }), { ...HOST, ...host })
}

function check(cases: Case[]): void {
  for (const each of cases) {
    t.test(each.name, async (t) => {
      const reading = read(each)
      const got = reading.instances.map(({ upstream, id, record, routes }) =>
        [
          ...[upstream, id, `${record.host}:${record.port}`, record.weight],
          ...routes.map(({ record: route }) => route.hosts.join() + route.pathPrefix),
        ].join(' '),
      )
      t.same(got, each.want ?? [])
      const refused = reading.refused.map(({ reason }) => reason)
      t.equal(refused.length, each.refused?.length ?? 0, refused.join('; '))
      each.refused?.forEach((pattern, i) => t.match(refused[i], pattern))
      t.equal(reading.warnings.length, each.warnings?.length ?? 0, reading.warnings.join('; '))
      each.warnings?.forEach((pattern, i) => t.match(reading.warnings[i], pattern))
      if (each.why) {
        t.match(reading.why.join('; '), each.why)
      }
      t.equal(reading.asked, each.asked ?? true)
    })
  }
}

const WEB = { 'sluice.upstream': 'web' }
const plain = 'web node-1:web-1:80 172.17.0.2:80 1'
const networks = (...pairs: Array<[string, string | undefined]>) =>
  pairs.map(([name, address]) => ({ name, address }))
const published = (hostAddress: string) => [{ port: 80, hostAddress, hostPort: 32768 }]

check([
  { name: 'nothing asked', asked: false, why: /no sluice\.\* label/ },
  { name: "somebody else's labels", labels: { 'traefik.enable': 'true' }, asked: false },
  {
    name: 'enable=false wins over everything',
    labels: { ...WEB, 'sluice.enable': 'false', SERVICE_NAME: 'x' },
    asked: false,
    why: /enable is false/,
  },
  { name: 'an upstream alone is enough', labels: WEB, want: [plain], why: /the only one exposed/ },
  { name: 'enabled and named', labels: { ...WEB, 'sluice.enable': 'true' }, want: [plain] },
  {
    name: 'enabled alone: the image names the upstream',
    labels: { 'sluice.enable': 'true' },
    want: ['shop node-1:web-1:80 172.17.0.2:80 1'],
    why: /upstream shop: the image's name/,
  },
  {
    name: 'enabled alone under compose: the service names it',
    labels: { 'sluice.enable': 'TRUE', 'com.docker.compose.service': 'front' },
    want: ['front node-1:web-1:80 172.17.0.2:80 1'],
    why: /compose service/,
  },
  {
    name: 'an image whose name is no upstream name',
    labels: { 'sluice.enable': 'true' },
    rest: { image: 'acme/My_App' },
    refused: [/"My_App" \(the image's name.*must be 1 to 63/],
  },
  {
    name: 'an image by digest and port',
    labels: { 'sluice.enable': 'true' },
    rest: { image: 'registry.example:5000/acme/shop@sha256:0123' },
    want: ['shop node-1:web-1:80 172.17.0.2:80 1'],
  },
  {
    name: 'port, weight',
    labels: { ...WEB, 'sluice.port': '8080', 'sluice.weight': '7' },
    want: ['web node-1:web-1:8080 172.17.0.2:8080 7'],
    why: /as the label says/,
  },
  {
    name: 'host and path make a route; several hosts make several',
    labels: { ...WEB, 'sluice.host': 'A.example.com., *.b.example', 'sluice.path': '/api' },
    want: [`${plain} a.example.com/api *.b.example/api`],
  },
  { name: 'drain', labels: { ...WEB, 'sluice.drain': '5s' }, want: [plain] },
  {
    name: 'surrounding blanks do not matter',
    labels: { 'sluice.upstream': ' web ', 'sluice.port': ' 80' },
    want: [plain],
  },
  {
    name: 'unknown labels are named and harm nothing',
    labels: { ...WEB, 'sluice.prot': '80', 'sluice.a.foo': '1', 'sluice.a.b.port': '1' },
    want: [plain],
    warnings: [/sluice\.a\.b\.port/, /sluice\.a\.foo/, /sluice\.prot/],
  },
])

check([
  ...['0', '65536', '-1', '80/tcp', 'http', '', '1e3', '80 81', '8_0'].map((port) => ({
    name: `port ${JSON.stringify(port)}`,
    labels: { ...WEB, 'sluice.port': port },
    refused: [/^sluice\.port ".*" must be a whole number from 1 to 65535$/],
  })),
  ...['0', '1001', 'heavy', '1.5'].map((weight) => ({
    name: `weight ${weight}`,
    labels: { ...WEB, 'sluice.weight': weight },
    refused: [/sluice\.weight .* from 1 to 1000/],
  })),
  ...['Web', 'a.b', 'web;', '-a', 'x'.repeat(64), '', '__proto__', 'a\nb'].map((upstream) => ({
    name: `upstream ${JSON.stringify(upstream)}`,
    labels: { 'sluice.upstream': upstream },
    refused: [/^sluice\.upstream ".*" must be 1 to 63/],
  })),
  ...['a b', 'a_b!', 'http://a', '$host', 'a..b', ''].map((host) => ({
    name: `host ${JSON.stringify(host)}`,
    labels: { ...WEB, 'sluice.host': host },
    refused: [/sluice\.host .* host name/],
  })),
  ...['api', '/a//b', '/a/', '/../x', '/a%2f', '/a"b'].map((path) => ({
    name: `path ${path}`,
    labels: { ...WEB, 'sluice.host': 'a', 'sluice.path': path },
    refused: [/sluice\.path .* path such as/],
  })),
  {
    name: 'a path without a host',
    labels: { ...WEB, 'sluice.path': '/a' },
    refused: [/sluice\.path "\/a" needs sluice\.host beside it/],
  },
  ...['5', 's', '5 s', '-5s', '61m', '1h'].map((drain) => ({
    name: `drain ${drain}`,
    labels: { ...WEB, 'sluice.drain': drain },
    refused: [/sluice\.drain .* duration/],
  })),
  {
    name: 'enable=yes',
    labels: { ...WEB, 'sluice.enable': 'yes' },
    refused: [/sluice\.enable "yes" must be true or false/],
  },
  {
    name: 'all that is wrong is named',
    labels: { ...WEB, 'sluice.port': 'x', 'sluice.weight': 'y', 'sluice.drain': 'z' },
    refused: [/drain/, /port/, /weight/],
  },
])

check([
  {
    name: 'no port exposed',
    labels: WEB,
    rest: { tcpPorts: [] },
    refused: [/^sluice: the container exposes no TCP port, and sluice\.port is not set$/],
  },
  {
    name: '80 among several',
    labels: WEB,
    rest: { tcpPorts: [80, 443, 9000] },
    want: [plain],
    why: /port 80: the usual one of 80, 443, 9000/,
  },
  {
    name: 'several without 80',
    labels: WEB,
    rest: { tcpPorts: [443, 9000] },
    refused: [/sluice\.port is not set, and the container exposes 443, 9000/],
  },
])

check([
  {
    name: "several networks: by name, the engine's own last",
    labels: WEB,
    rest: {
      networks: networks(['bridge', '172.17.0.2'], ['zoo', '10.2.0.2'], ['app', '10.1.0.2']),
    },
    want: ['web node-1:web-1:80 10.1.0.2:80 1'],
    why: /network app: first by name, before zoo, bridge/,
  },
  {
    name: 'a network without an address is passed over',
    labels: WEB,
    rest: { networks: networks(['app', undefined], ['zoo', '10.2.0.2']) },
    want: ['web node-1:web-1:80 10.2.0.2:80 1'],
  },
  {
    name: 'sluice.network',
    labels: { ...WEB, 'sluice.network': 'zoo' },
    rest: { networks: networks(['app', '10.1.0.2'], ['zoo', '10.2.0.2']) },
    want: ['web node-1:web-1:80 10.2.0.2:80 1'],
    why: /network zoo: as sluice\.network says/,
  },
  {
    name: 'sluice.network by its short name in compose',
    labels: { ...WEB, 'sluice.network': 'zoo', 'com.docker.compose.project': 'shop' },
    rest: { networks: networks(['app', '10.1.0.2'], ['shop_zoo', '10.2.0.2']) },
    want: ['web node-1:web-1:80 10.2.0.2:80 1'],
  },
  {
    name: 'sluice.network that it is not on',
    labels: { ...WEB, 'sluice.network': 'moon' },
    refused: [/sluice\.network "moon": the container is on bridge/],
  },
  {
    name: 'no address at all',
    labels: WEB,
    rest: { networks: networks(['app', undefined]) },
    refused: [/no address on any network/],
  },
  {
    name: "published port, with the agent's address",
    labels: WEB,
    rest: { published: published('0.0.0.0') },
    host: { address: '10.9.0.1' },
    want: ['web node-1:web-1:80 10.9.0.1:32768 1'],
    why: /published: the agent's address/,
  },
  {
    name: 'published on another address of the machine',
    labels: WEB,
    rest: { published: published('127.0.0.1') },
    host: { address: '10.9.0.1' },
    want: [plain],
  },
  {
    name: 'published, but the agent has no address',
    labels: WEB,
    rest: { published: published('0.0.0.0') },
    want: [plain],
  },
  {
    name: 'a named network comes before a published port',
    labels: { ...WEB, 'sluice.network': 'bridge' },
    rest: { published: published('0.0.0.0') },
    host: { address: '10.9.0.1' },
    want: [plain],
  },
  {
    name: "host network with the agent's address",
    labels: WEB,
    rest: { networkMode: 'host', networks: networks(['host', undefined]) },
    host: { address: '10.9.0.1' },
    want: ['web node-1:web-1:80 10.9.0.1:80 1'],
  },
  {
    name: 'host network on a machine of its own',
    labels: WEB,
    rest: { networkMode: 'host', networks: networks(['host', undefined]) },
    host: { allowLoopback: true },
    want: ['web node-1:web-1:80 127.0.0.1:80 1'],
  },
  {
    name: 'host network with no address to give',
    labels: WEB,
    rest: { networkMode: 'host', networks: networks(['host', undefined]) },
    refused: [/host's network, and the agent's address is not set/],
  },
  {
    name: 'an address that the policy refuses',
    labels: WEB,
    rest: { networks: networks(['bridge', '169.254.169.254']) },
    refused: [/host 169\.254\.169\.254 is a link-local or cloud metadata address/],
  },
  {
    name: 'an IPv6 address is printed one way',
    labels: WEB,
    rest: { networks: networks(['bridge', 'FD00:0:0::2']) },
    want: ['web node-1:web-1:80 fd00::2:80 1'],
  },
])

check([
  {
    name: 'several ports by name',
    labels: { 'sluice.web.port': '80', 'sluice.admin.port': '9000', 'sluice.weight': '3' },
    want: ['admin node-1:web-1:9000 172.17.0.2:9000 3', 'web node-1:web-1:80 172.17.0.2:80 3'],
  },
  {
    name: 'named ones with everything',
    labels: {
      'sluice.enable': 'true',
      'sluice.a.port': '81',
      'sluice.a.upstream': 'one',
      'sluice.a.weight': '2',
      'sluice.a.host': 'a.example',
      'sluice.a.path': '/x',
      'sluice.b.port': '82',
      'sluice.b.upstream': 'two',
    },
    want: [
      'one node-1:web-1:81 172.17.0.2:81 2 a.example/x',
      'two node-1:web-1:82 172.17.0.2:82 1',
    ],
  },
  {
    name: 'the unnamed one beside named ones',
    labels: { ...WEB, 'sluice.port': '80', 'sluice.admin.port': '9000' },
    want: [plain, 'admin node-1:web-1:9000 172.17.0.2:9000 1'],
  },
  {
    name: 'one wrong name refuses all of it',
    labels: { 'sluice.a.port': '80', 'sluice.b.port': 'x' },
    refused: [/sluice\.b\.port "x"/],
  },
  {
    name: 'one port twice for one upstream',
    labels: { 'sluice.a.port': '80', 'sluice.b.port': '80', 'sluice.b.upstream': 'a' },
    want: ['a node-1:web-1:80 172.17.0.2:80 1'],
    refused: [/instance node-1:web-1:80 of upstream a is named twice/],
  },
])

const env = (...lines: string[]): Container['env'] =>
  lines.map((line) => line.split('=') as [string, string])

check([
  { name: 'SERVICE_NAME as a label', labels: { SERVICE_NAME: 'web' }, want: [plain] },
  {
    name: 'sluice.enable=true leaves the word to SERVICE_NAME',
    labels: { 'sluice.enable': 'true', SERVICE_NAME: 'web' },
    want: [plain],
    why: /upstream web: SERVICE_NAME/,
  },
  {
    name: 'SERVICE_NAME in the environment',
    rest: { env: env('SERVICE_NAME=web') },
    want: [plain],
  },
  {
    name: 'the label over the environment',
    labels: { SERVICE_NAME: 'web' },
    rest: { env: env('SERVICE_NAME=other') },
    want: [plain],
  },
  {
    name: "the port's own over the general one, wherever it stands",
    labels: { SERVICE_NAME: 'other' },
    rest: { env: env('SERVICE_80_NAME=web') },
    want: [plain],
  },
  {
    name: 'several ports: the general name gets the port',
    labels: { SERVICE_NAME: 'web' },
    rest: { tcpPorts: [80, 443] },
    want: ['web-80 node-1:web-1:80 172.17.0.2:80 1', 'web-443 node-1:web-1:443 172.17.0.2:443 1'],
  },
  {
    name: "several ports: a port's own name does not",
    labels: { SERVICE_NAME: 'web', SERVICE_443_NAME: 'secure' },
    rest: { tcpPorts: [80, 443] },
    want: ['web-80 node-1:web-1:80 172.17.0.2:80 1', 'secure node-1:web-1:443 172.17.0.2:443 1'],
  },
  {
    name: 'ports without a name are left alone',
    labels: { SERVICE_443_NAME: 'secure' },
    rest: { tcpPorts: [80, 443] },
    want: ['secure node-1:web-1:443 172.17.0.2:443 1'],
  },
  {
    name: 'a UDP port counts, and is said not to be registered',
    labels: { SERVICE_NAME: 'web' },
    rest: { udpPorts: [53] },
    want: ['web-80 node-1:web-1:80 172.17.0.2:80 1'],
    warnings: [/UDP port 53/],
  },
  { name: 'SERVICE_IGNORE', labels: { SERVICE_NAME: 'web', SERVICE_IGNORE: 'yes' } },
  {
    name: 'SERVICE_<port>_IGNORE leaves the others',
    labels: { SERVICE_NAME: 'web', SERVICE_443_IGNORE: '1' },
    rest: { tcpPorts: [80, 443] },
    want: ['web-80 node-1:web-1:80 172.17.0.2:80 1'],
  },
  { name: 'an empty name is none', labels: { SERVICE_NAME: '' }, asked: false },
  { name: 'SERVICE_TAGS alone asks for nothing', labels: { SERVICE_TAGS: 'a' }, asked: false },
  {
    name: 'SERVICE_ID',
    labels: { SERVICE_NAME: 'web', SERVICE_ID: 'my-id' },
    want: ['web my-id 172.17.0.2:80 1'],
  },
  {
    name: 'a SERVICE_ID that is none',
    labels: { SERVICE_NAME: 'web', SERVICE_ID: 'a/b' },
    refused: [/SERVICE_ID "a\/b" must be/],
  },
  {
    name: 'a name that registrator would take and Sluice does not',
    labels: { SERVICE_NAME: 'My_Web' },
    refused: [/SERVICE_NAME "My_Web" must be 1 to 63/],
  },
  {
    name: 'checks are said not to be used',
    labels: { SERVICE_NAME: 'web', SERVICE_CHECK_HTTP: '/health' },
    want: [plain],
    warnings: [/SERVICE_CHECK_\* is not used/],
  },
  {
    name: 'nothing exposed',
    labels: { SERVICE_NAME: 'web' },
    rest: { tcpPorts: [] },
    refused: [/exposes no TCP port/],
  },
  {
    name: 'sluice.* wins over SERVICE_*',
    labels: { ...WEB, SERVICE_NAME: 'other' },
    want: [plain],
  },
])

t.test('metadata tells where an instance comes from', async (t) => {
  const labels = {
    SERVICE_NAME: 'web',
    SERVICE_TAGS: 'a, b\\,c,,',
    SERVICE_REGION: 'eu',
    SERVICE_80_REGION: 'us',
    'com.docker.compose.project': 'shop',
    'com.docker.compose.service': 'front',
  }
  const [instance] = read({ name: '', labels }).instances
  t.same(instance?.record.metadata, {
    container: 'web-1',
    containerId: 'ab12ab12ab12',
    startedAt: '2026-01-01T00:00:01Z',
    image: 'ghcr.io/acme/shop:1.2',
    project: 'shop',
    service: 'front',
    tags: 'a,b\\,c',
    region: 'us',
  })
  t.equal(instance?.record.agent, 'node-1')
})

t.test('what only the environment says is not published, but for the tags', async (t) => {
  const rest = { env: env('SERVICE_NAME=web', 'SERVICE_PASSWORD=secret', 'SERVICE_TAGS=a,b') }
  const metadata = read({ name: '', rest }).instances[0]?.record.metadata
  t.equal(metadata?.tags, 'a,b')
  t.notMatch(JSON.stringify(metadata), /secret|password/)
})

t.test('a value that no metadata takes is left out, and said', async (t) => {
  const labels = { SERVICE_NAME: 'web', SERVICE_LONG: 'x'.repeat(257), SERVICE_CONTAINER: 'fake' }
  const { instances, warnings } = read({ name: '', labels })
  t.equal(instances[0]?.record.metadata?.container, 'web-1')
  t.equal(instances[0]?.record.metadata?.long, undefined)
  t.match(warnings, [/"long" is left out/])
})

t.test('sluice.drain is kept in milliseconds', async (t) => {
  const drained = (drain: string) =>
    read({ name: '', labels: { ...WEB, 'sluice.drain': drain } }).instances[0]?.record.metadata
      ?.drainMs
  t.same(['5s', '500ms', '2m'].map(drained), ['5000', '500', '120000'])
})

t.test('a container name that makes the id too long gives way to the id', async (t) => {
  const rest = { name: 'x'.repeat(200) }
  t.equal(read({ name: '', labels: WEB, rest }).instances[0]?.id, 'node-1:ab12ab12ab12:80')
})

t.test('two agents with the same wish have a route each', async (t) => {
  const labels = { ...WEB, 'sluice.host': 'a.example' }
  const ids = ['node-1', 'node-2'].map(
    (agent) => read({ name: '', labels, host: { agent } }).instances[0]?.routes[0]?.id,
  )
  t.not(ids[0], ids[1])
  const again = read({ name: '', labels, rest: { name: 'web-2' } }).instances[0]?.routes[0]?.id
  t.equal(again, ids[0], 'two containers of one agent share theirs')
})

t.test('limits, backups and zones', async (t) => {
  const labels = {
    ...WEB,
    'sluice.max-conns': '20',
    'sluice.backup': 'True',
    'sluice.zone': 'eu-1',
  }
  const [one] = read({ name: '', labels }).instances
  t.match(one?.record, { maxConns: 20, backup: true, zone: 'eu-1', weight: 1 })
  const [plainOne] = read({ name: '', labels: { ...WEB, 'sluice.backup': 'false' } }).instances
  t.notOk(['maxConns', 'backup', 'zone'].some((field) => field in (plainOne?.record ?? {})))
  const named = {
    ...{ 'sluice.a.port': '80', 'sluice.b.port': '81', 'sluice.b.max-conns': '5' },
    ...{ 'sluice.zone': 'eu-1', 'sluice.max-conns': '7' },
  }
  t.same(
    read({ name: '', labels: named }).instances.map(({ record }) => [record.maxConns, record.zone]),
    [
      [7, 'eu-1'],
      [5, 'eu-1'],
    ],
  )
  const wrong = { ...WEB, 'sluice.max-conns': '0', 'sluice.backup': 'yes', 'sluice.zone': 'EU' }
  t.match(
    read({ name: '', labels: wrong }).refused.map(({ reason }) => reason),
    [/max-conns/, /backup "yes" must be true or false/, /zone "EU" must be/],
  )
})
