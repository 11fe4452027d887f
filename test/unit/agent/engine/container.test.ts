/** What an engine's inspect answers, read into one shape. */
import t from 'tap'
import { isStopSignal, readInspected, signalNumber } from '../../../../agent/engine/container.js'
import { container } from '../container-fixture.js'

t.test('signals, however they are written', async (t) => {
  const texts = [
    'SIGTERM',
    'term',
    '15',
    'SIGQUIT',
    '3',
    'SIGRTMIN+3',
    'SIGRTMAX-1',
    'SIGRTMIN',
    '',
  ]
  t.same(texts.map(signalNumber), [15, 15, 15, 3, 3, 37, 63, 34, 15])
})

t.test('which signals stop a container', async (t) => {
  const nginx = container({ stopSignal: 3 })
  t.same(
    [3, 9, 15, 10, 1].map((signal) => isStopSignal(nginx, signal)),
    [...[true, true, true], ...[false, false]],
  )
  t.notOk(isStopSignal(container(), 3))
})

t.test('what Docker says of a container is read, field by field', async (t) => {
  const read = readInspected({
    Id: 'a'.repeat(64),
    Name: '/web-1',
    Created: '2026-01-01T00:00:00Z',
    State: { Running: true, Paused: false, Restarting: false, StartedAt: '2026-01-01T00:00:01Z' },
    HostConfig: { NetworkMode: 'app' },
    Config: {
      Image: 'web:1',
      Labels: { a: 'b' },
      Env: ['A=b=c', 'EMPTY=', 'BARE'],
      ExposedPorts: { '8080/tcp': {}, '53/udp': {} },
      StopSignal: 'SIGQUIT',
    },
    NetworkSettings: {
      Ports: {
        '80/tcp': [
          { HostIp: '0.0.0.0', HostPort: '32768' },
          { HostIp: '::', HostPort: '32768' },
        ],
        '8080/tcp': null,
      },
      Networks: {
        app: { IPAddress: '10.1.0.2', GlobalIPv6Address: 'fd00::2' },
        six: { IPAddress: '', GlobalIPv6Address: 'fd01::2' },
        off: { IPAddress: '', GlobalIPv6Address: '' },
      },
    },
  })
  t.match(read, {
    name: 'web-1',
    env: [
      ['A', 'b=c'],
      ['EMPTY', ''],
      ['BARE', ''],
    ],
    tcpPorts: [80, 8080],
    udpPorts: [53],
    published: [
      { port: 80, hostAddress: '0.0.0.0', hostPort: 32768 },
      { port: 80, hostAddress: '::', hostPort: 32768 },
    ],
    networks: [
      { name: 'app', address: '10.1.0.2' },
      { name: 'six', address: 'fd01::2' },
      { name: 'off', address: undefined },
    ],
    status: 'running',
    health: 'none',
    stopSignal: 3,
  })
})

t.test("a container's state and health are read", async (t) => {
  const of = (state: object) => readInspected({ Id: 'a', Name: 'b', State: state })
  t.equal(of({ Running: true, Restarting: true }).status, 'stopped')
  t.equal(of({ Running: true, Paused: true }).status, 'paused')
  t.equal(of({ Running: false }).status, 'stopped')
  t.equal(of({}).status, 'stopped')
  const health = (Status: string) => of({ Running: true, Health: { Status } }).health
  t.same(['starting', 'healthy', 'unhealthy', 'none', ''].map(health), [
    ...['starting', 'healthy', 'unhealthy'],
    ...['none', 'none'],
  ])
})

t.test('what podman leaves out is empty', async (t) => {
  const read = readInspected({ Id: 'a', Name: 'web' })
  t.match(read, { name: 'web', labels: {}, env: [], networks: [], tcpPorts: [], stopSignal: 15 })
})
