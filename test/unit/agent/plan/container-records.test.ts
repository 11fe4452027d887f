/** One container → the instances and routes that it asks for, in both dialects. */
import t from 'tap'
import type { Container } from '../../../../agent/engine/container.js'
import { readContainer } from '../../../../agent/plan/container-records.js'
import { DEFAULT_DIALECTS } from '../../../../agent/labels/dialect.js'
import type { AgentMachine } from '../../../../agent/plan/instance-address.js'
import { printClaim } from '../../../../agent/plan/route-claim.js'
import { container } from '../container-fixture.js'

const HOST: AgentMachine = { agent: 'node-1', address: undefined, allowLoopback: false }

interface Case {
  name: string
  labels?: Record<string, string>
  rest?: Partial<Container>
  host?: Partial<AgentMachine>
  /** `upstream id host:port weight [hosts+path …]` of each instance. */
  want?: string[]
  refused?: RegExp[]
  warnings?: RegExp[]
  why?: RegExp
  asked?: boolean
}

function read({ labels = {}, rest = {}, host = {} }: Case) {
  return readContainer(container({ ...rest, labels }), { ...HOST, ...host })
}

function check(cases: Case[]): void {
  for (const each of cases) {
    t.test(each.name, async (t) => {
      const reading = read(each)
      const got = reading.instances.map(({ upstream, id, record, routes }) =>
        [
          ...[upstream, id, `${record.host}:${record.port}`, record.weight],
          ...routes.map(({ record: route }) => printClaim(route)),
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
  { name: 'nothing asked', asked: false, why: /no label that SLUICE_LABELS reads/ },
  {
    name: 'a one-off container of compose is not served',
    labels: { ...WEB, 'com.docker.compose.oneoff': 'True' },
    asked: false,
    why: /one-off container/,
  },
  {
    name: 'unless it says so',
    labels: { ...WEB, 'com.docker.compose.oneoff': 'True', 'sluice.oneoff': 'true' },
    want: [plain],
  },
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
    name: 'enabled alone: the container names the upstream',
    labels: { 'sluice.enable': 'true' },
    want: ['web-1 node-1:web-1:80 172.17.0.2:80 1'],
    why: /upstream web-1: the container's name/,
  },
  {
    name: 'enabled alone under compose: project and service name it',
    labels: {
      'sluice.enable': 'TRUE',
      'com.docker.compose.project': 'shop',
      'com.docker.compose.service': 'web_front',
    },
    want: ['shop-web-front node-1:web-1:80 172.17.0.2:80 1'],
    why: /upstream shop-web-front: the compose project and service.*folded from "shop-web_front"/,
  },
  {
    name: 'a container whose name is no upstream name, however it is folded',
    labels: { 'sluice.enable': 'true' },
    rest: { name: 'x'.repeat(64) },
    refused: [/\(the container's name.*must be 1 to 63/],
  },
  ...['redis_cache', 'redis.cache', 'Redis-Cache', 'REDIS__CACHE'].map((upstream) => ({
    name: `upstream ${upstream} is folded to a name`,
    labels: { 'sluice.upstream': upstream },
    want: ['redis-cache node-1:web-1:80 172.17.0.2:80 1'],
    why: /folded from ".*": lower case, and - in place of _ and \./,
  })),
  {
    name: 'a misspelt label alone opts nothing in, and is named with the one it is close to',
    labels: { 'sluice.upstraem': 'web' },
    asked: false,
    warnings: [/^sluice\.upstraem is no label that Sluice knows; the nearest is sluice\.upstream$/],
  },
  {
    name: 'ports of the gateway, and a path that is taken off',
    labels: {
      ...WEB,
      ...{ 'sluice.host': 'a.example', 'sluice.path': '/api', 'sluice.strip-prefix': 'true' },
      ...{ 'sluice.tcp-port': '9100', 'sluice.udp-port': '9101' },
    },
    want: [`${plain} a.example/api tcp 9100 udp 9101`],
  },
  {
    name: 'a prefix to take off without a path',
    labels: { ...WEB, 'sluice.strip-prefix': 'true' },
    refused: [/sluice\.strip-prefix "true" needs the label sluice\.path as well/],
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
  ...['0', '65536', '-1', '80/sctp', 'http', '', '1e3', '80 81', '8_0'].map((port) => ({
    name: `port ${JSON.stringify(port)}`,
    labels: { ...WEB, 'sluice.port': port },
    refused: [/^sluice\.port ".*" must be a port from 1 to 65535, such as 8080 or 514\/udp$/],
  })),
  ...['0', '1001', 'heavy', '1.5'].map((weight) => ({
    name: `weight ${weight}`,
    labels: { ...WEB, 'sluice.weight': weight },
    refused: [/sluice\.weight .* from 1 to 1000/],
  })),
  ...['we b', 'web;', '-', 'x'.repeat(64), '', 'wéb', 'a\nb'].map((upstream) => ({
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
    refused: [/sluice\.path "\/a" needs the label sluice\.host as well/],
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

const INTERNAL = { dialects: { ...DEFAULT_DIALECTS, registratorInternal: true } }

check([
  {
    name: 'sluice.enable=true leaves the word to SERVICE_NAME',
    labels: { 'sluice.enable': 'true', SERVICE_NAME: 'web' },
    host: INTERNAL,
    want: [plain],
    why: /upstream web: SERVICE_NAME/,
  },
  {
    name: 'sluice.* wins over SERVICE_*, and says so',
    labels: { ...WEB, SERVICE_NAME: 'other' },
    want: [plain],
    warnings: [/labels of registrator are not read: those of sluice come first in SLUICE_LABELS/],
  },
  {
    name: 'whose labels count is a setting',
    labels: { ...WEB, SERVICE_NAME: 'other' },
    host: { dialects: { ...INTERNAL.dialects, dialects: ['registrator', 'sluice'] } },
    want: ['other node-1:web-1:80 172.17.0.2:80 1'],
    warnings: [/labels of sluice are not read/],
  },
  {
    name: 'labels of a dialect that is not read ask for nothing',
    labels: { SERVICE_NAME: 'web' },
    host: { dialects: { ...INTERNAL.dialects, dialects: ['sluice'] } },
    asked: false,
  },
])

const shared = { isShared: true }
const appNet = networks(['app_net', '10.1.0.2'], ['bridge', '172.17.0.2'])

check([
  {
    name: 'others read the registry: an address of the bridge is another container to them',
    labels: WEB,
    host: shared,
    refused: [/172\.17\.0\.2 on bridge means this .*set SLUICE_AGENT_ADDRESS.*AGENT_NETWORKS/],
  },
  {
    name: 'others read the registry: published on loopback alone',
    labels: WEB,
    rest: { published: published('127.0.0.1') },
    host: { ...shared, address: '10.9.0.1' },
    refused: [/port 80 is published at 127\.0\.0\.1 and not at 10\.9\.0\.1/],
  },
  {
    name: 'others read the registry: published where they reach it',
    labels: WEB,
    rest: { published: published('0.0.0.0') },
    host: { ...shared, address: '10.9.0.1' },
    want: ['web node-1:web-1:80 10.9.0.1:32768 1'],
  },
  {
    name: 'others read the registry: a network that the operator named',
    labels: WEB,
    rest: { networks: appNet },
    host: { ...shared, networks: ['app_net'] },
    want: ['web node-1:web-1:80 10.1.0.2:80 1'],
  },
  {
    name: 'others read the registry: a label does not go around the operator',
    labels: { ...WEB, 'sluice.network': 'bridge' },
    rest: { networks: appNet },
    host: { ...shared, networks: ['app_net'] },
    refused: [/172\.17\.0\.2 on bridge means this container on this machine alone/],
  },
  {
    name: 'others read the registry: an overlay address',
    labels: WEB,
    rest: { networks: [{ name: 'mesh', address: '10.0.1.7', isOverlay: true }] },
    host: shared,
    want: ['web node-1:web-1:80 10.0.1.7:80 1'],
  },
  {
    name: "others read the registry: loopback is each machine's own",
    labels: WEB,
    rest: { networkMode: 'host', networks: networks(['host', undefined]) },
    host: { ...shared, allowLoopback: true },
    refused: [/the agent's address is not set \(SLUICE_AGENT_ADDRESS\)/],
  },
  {
    name: 'published on [::] alone, while the agent has an IPv4 address',
    labels: WEB,
    rest: { published: published('::') },
    host: { ...shared, address: '10.9.0.1' },
    refused: [/port 80 is published at :: and not at 10\.9\.0\.1/],
  },
  {
    name: 'published on [::] alone, and the agent has an IPv6 address',
    labels: WEB,
    rest: { published: published('::') },
    host: { ...shared, address: 'fd00::9' },
    want: ['web node-1:web-1:80 fd00::9:32768 1'],
  },
])

check([
  {
    name: 'UDP alone, by its label',
    labels: { ...WEB, 'sluice.port': '514/udp' },
    rest: { tcpPorts: [], udpPorts: [514] },
    want: ['web node-1:web-1:514 172.17.0.2:514 1'],
  },
])

const many = (label: (i: number) => readonly [string, string]) =>
  Object.fromEntries(Array.from({ length: 5000 }, (_, i) => label(i)))
const hosts = (...names: string[]) => ({ ...WEB, 'sluice.host': names.join() })
const shop = { limits: { hosts: ['*.shop.example', 'shop.example'], upstreams: ['web', 'shop-*'] } }

check([
  { name: 'no label has every host', labels: hosts('*'), refused: [/host "\*" is every host/] },
  {
    name: 'no label answers certificate challenges',
    labels: { ...hosts('a.example'), 'sluice.path': '/.well-known/acme-challenge' },
    refused: [/path "\/\.well-known\/acme-challenge" answers certificate challenges/],
  },
  {
    name: 'more routes than a container may have',
    labels: Object.fromEntries(
      Array.from({ length: 129 }, (_, i) => [`sluice.p${i}.host`, 'a.example'] as const),
    ),
    refused: [/the labels ask for 129 routes; a container may have 128/],
  },
  {
    name: 'more instances than a container may have, by labels of either kind',
    labels: many((i) => [`sluice.p${i}.port`, '80'] as const),
    refused: [/a container may have 256 instances/],
  },
  {
    name: 'more ports than a container may have instances',
    labels: { SERVICE_NAME: 'web' },
    host: INTERNAL,
    rest: { tcpPorts: Array.from({ length: 5000 }, (_, i) => i + 1) },
    refused: [/a container may have 256 instances/],
  },
  {
    name: 'wrong values without end are named by a few',
    labels: many((i) => [`sluice.p${i}.port`, 'x'] as const),
    refused: [...Array.from({ length: 20 }, () => /must be a port from 1/), /^and 237 more/],
  },
  {
    name: 'hosts and upstreams that the operator lets labels name',
    labels: hosts('a.shop.example', 'shop.example'),
    host: shop,
    want: [`${plain} a.shop.example/ shop.example/`],
  },
  {
    name: 'a host that the operator does not let labels name',
    labels: hosts('shop.example.evil'),
    host: shop,
    refused: [/host "shop\.example\.evil" is not among those that SLUICE_LABEL_HOSTS allows/],
  },
  {
    name: 'an upstream that the operator does not let labels name',
    labels: { SERVICE_NAME: 'bank' },
    host: { ...shop, ...INTERNAL },
    refused: [/upstream bank is not among those that SLUICE_LABEL_UPSTREAMS allows/],
  },
])

const ofImage = (labels: Record<string, string>, env: Array<[string, string]> = []) => ({
  rest: { ofImage: { labels, env }, env },
})
const alone = { asked: false, why: /from its image: start it with sluice\.enable=true/ }
const named: Array<[string, string]> = [['SERVICE_NAME', 'web']]

check([
  { name: 'labels of the image alone', labels: WEB, ...ofImage(WEB), ...alone },
  { name: "registrator's names in the image alone", ...ofImage({}, named), ...alone },
  {
    name: 'an image that enables itself',
    labels: { ...WEB, 'sluice.enable': 'true' },
    ...ofImage({ ...WEB, 'sluice.enable': 'true' }),
    ...alone,
  },
  {
    name: 'labels of the image that the container enables',
    labels: { ...WEB, 'sluice.enable': 'true' },
    ...ofImage(WEB),
    want: [plain],
  },
  {
    name: "registrator's names in the image that the container enables",
    labels: { 'sluice.enable': 'true' },
    ...ofImage({}, named),
    host: INTERNAL,
    want: [plain],
  },
  {
    name: 'a label of the image that the container overrides',
    labels: WEB,
    ...ofImage({ 'sluice.upstream': 'other' }),
    want: [plain],
  },
])

t.test('protocol, policy and check are the first settings of the upstream', async (t) => {
  const labels = {
    ...WEB,
    ...{ 'sluice.policy': 'leastConn', 'sluice.check-path': '/health', 'sluice.protocol': 'h2' },
  }
  t.match(read({ name: '', labels }).instances[0]?.settings, {
    policy: { balance: 'leastConn', check: { type: 'http', path: '/health' } },
    protocol: 'h2',
  })
  const refusals = (more: Record<string, string>) =>
    read({ name: '', labels: { ...WEB, ...more } }).refused.map(({ reason }) => reason)
  t.match(refusals({ 'sluice.policy': 'fair' }), [/sluice\.policy "fair" must be/])
  t.match(refusals({ 'sluice.check-path': 'health' }), [/sluice\.check-path "health" must be/])
  t.match(refusals({ 'sluice.protocol': 'spdy' }), [/sluice\.protocol "spdy" must be/])
})

t.test('a port of UDP is not tried over TCP', async (t) => {
  const labels = { ...WEB, 'sluice.port': '514' }
  const { instances } = read({ name: '', labels, rest: { tcpPorts: [], udpPorts: [514] } })
  t.equal(instances[0]?.transport, 'udp')
})

t.test('a container that shares the network of another one has its address', async (t) => {
  const vpn = container({ id: 'cd34'.repeat(16), name: 'vpn', networks: appNet, published: [] })
  const its = container({
    labels: WEB,
    networkMode: `container:${vpn.id}`,
    networks: [],
  })
  const all = new Map([vpn, its].map((each) => [each.id, each]))
  const host = { agent: 'node-1', address: undefined, allowLoopback: false }
  t.match(readContainer(its, host, all).instances[0]?.record, { host: '10.1.0.2', port: 80 })
  const stopped = new Map([...all, [vpn.id, { ...vpn, status: 'stopped' as const }]])
  t.match(readContainer(its, host, stopped).refused, [{ reason: /cd34cd34cd34.*does not run/ }])
  const circular = { ...its, networkMode: `container:${its.id}` }
  t.match(readContainer(circular, host, new Map([[its.id, circular]])).refused, [
    { reason: /does not run/ },
  ])
})

t.test('metadata says where an instance comes from', async (t) => {
  const labels = {
    SERVICE_NAME: 'web',
    SERVICE_TAGS: 'a, b\\,c,,',
    SERVICE_REGION: 'eu',
    SERVICE_80_REGION: 'us',
    'com.docker.compose.project': 'shop',
    'com.docker.compose.service': 'front',
  }
  const [instance] = read({ name: '', labels, host: INTERNAL }).instances
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

t.test('a value that no metadata takes is left out, and said', async (t) => {
  const labels = { SERVICE_NAME: 'web', SERVICE_LONG: 'x'.repeat(257), SERVICE_CONTAINER: 'fake' }
  const { instances, warnings } = read({ name: '', labels, host: INTERNAL })
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

t.test('labels give an instance its limit, and make it a backup or of a zone', async (t) => {
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
