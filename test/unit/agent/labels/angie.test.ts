/** Angie's labels, as its documentation has them, row by row. */
import { checkTable } from './dialect-table.js'

const u = (fields: Record<string, string>, kind = 'http', name = 'u') =>
  Object.fromEntries(
    Object.entries(fields).map(([field, value]) => [
      `angie.${kind}.upstreams.${name}.${field}`,
      value,
    ]),
  )
const port = (more: Record<string, string> = {}) => ({ labels: u({ port: '80', ...more }) })
const networks = [
  { name: 'app', address: '10.1.0.2' },
  { name: 'test_net', address: '10.2.0.2' },
]

checkTable('angie', [
  { name: 'nothing', asked: false },
  { name: 'a port', ...port(), want: ['u 80'] },
  { name: 'without a port nothing is asked', labels: u({ weight: '2' }), asked: false },
  { name: 'weight', ...port({ weight: '2' }), want: ['u 80 w2'] },
  { name: 'a weight of 0', ...port({ weight: '0' }), refused: [/weight "0" must be a whole/] },
  { name: 'max_conns', ...port({ max_conns: '20' }), want: ['u 80 max20'] },
  { name: 'max_conns of 0 is no limit', ...port({ max_conns: '0' }), want: ['u 80'] },
  { name: 'backup', ...port({ backup: 'true' }), want: ['u 80 backup'] },
  { name: 'backup=false', ...port({ backup: 'false' }), want: ['u 80'] },
  { name: 'a backup that is none', ...port({ backup: 'x' }), refused: [/backup must be true/] },
  {
    name: 'max_fails and fail_timeout',
    ...port({ max_fails: '5', fail_timeout: '10s' }),
    want: ['u 80'],
    upstream: { policy: { eject: { maxFails: 5, failTimeoutMs: 10_000 } } },
  },
  {
    name: 'max_fails of 0',
    ...port({ max_fails: '0' }),
    want: ['u 80'],
    upstream: { policy: { eject: { maxFails: 0 } } },
  },
  {
    name: 'slow_start',
    ...port({ slow_start: '1m30s' }),
    want: ['u 80'],
    upstream: { policy: { slowStartMs: 90_000 } },
  },
  {
    name: 'a time without a unit is seconds',
    ...port({ slow_start: '10' }),
    want: ['u 80'],
    upstream: { policy: { slowStartMs: 10_000 } },
  },
  {
    name: 'a time that is none',
    ...port({ fail_timeout: 'soon' }),
    refused: [/fail_timeout "soon" must be a time/],
  },
  {
    name: 'a time that is longer than Sluice takes',
    ...port({ slow_start: '9d' }),
    refused: [/slowStartMs must be/],
  },
  {
    name: 'sid',
    ...port({ sid: 'sid1' }),
    want: ['u 80'],
    metadata: { sid: 'sid1' },
    warnings: [/upstreams\.u\.sid \(kept as metadata/],
  },
  {
    name: 'the network of all',
    labels: { ...u({ port: '80' }), 'angie.network': 'test_net' },
    rest: { networks },
    want: ['u 80'],
    why: /network test_net/,
  },
  {
    name: 'the network of one upstream wins',
    labels: { ...u({ port: '80', network: 'app' }), 'angie.network': 'test_net' },
    rest: { networks },
    want: ['u 80'],
    why: /network app:/,
  },
  {
    name: 'a network that the container is not on',
    labels: u({ port: '80', network: 'nowhere' }),
    refused: [/"nowhere": the container is on bridge/],
  },
  {
    name: 'several upstreams',
    labels: { ...u({ port: '80' }, 'http', 'u1'), ...u({ port: '90', weight: '5' }, 'http', 'u2') },
    want: ['u1 80', 'u2 90 w5'],
  },
  { name: 'an upstream of stream', labels: u({ port: '5432' }, 'stream', 'pg'), want: ['pg 5432'] },
  {
    name: 'one name in http and stream',
    labels: { ...u({ port: '80' }), ...u({ port: '81' }, 'stream') },
    want: ['u 80'],
    refused: [/angie\.stream\.upstreams\.u: another kind/],
  },
  {
    name: 'UDP',
    labels: u({ port: '53/udp' }, 'stream', 'dns'),
    want: ['dns 53'],
  },
  {
    name: 'an upstream without a port beside one that has it',
    labels: { ...u({ port: '80' }), ...u({ weight: '2' }, 'http', 'v') },
    want: ['u 80'],
    warnings: [/angie\.http\.upstreams\.v \(it has no port/],
  },
  { name: 'a port that is none', labels: u({ port: '70000' }), refused: [/port "70000" must be/] },
  { name: 'a name with a dot', labels: u({ port: '80' }, 'http', 'a.b'), want: ['a-b 80'] },
  {
    name: 'a name that cannot be folded',
    labels: u({ port: '80' }, 'http', 'a;{}'),
    refused: [/"a;\{\}" must be 1 to 63/],
  },
  {
    name: 'labels that Angie does not know are named once',
    labels: { ...u({ port: '80', resolve: 'x' }), 'angie.enable': 'true' },
    want: ['u 80'],
    warnings: [/angie\.enable; angie\.http\.upstreams\.u\.resolve$/],
  },
])
