/** The list of what is wrong. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { CURES } from '../../../../controller/findings/codes.js'
import { silentLogger as log } from '../../../../runtime/logger.js'
import type { Facts, Observation } from '../../../../controller/findings/facts.js'
import { Findings } from '../../../../controller/findings/findings.js'
import { SOURCES } from '../../../../controller/findings/sources.js'
import type { InstanceConditions } from '../../../../controller/state/conditions.js'
import type { Desired, DesiredCertificate } from '../../../../controller/state/desired.js'
import type { Finding, GatewayView } from '../../../../controller/views.js'
import { testSettings } from '../../../support/control.js'

const NONE: InstanceConditions = new Map()

t.test(
  'a finding lasts as long as what it was seen in, and both its ends are events',
  async (t) => {
    let nowMs = 1000
    let observed: Observation[] = []
    const events: string[] = []
    const findings = new Findings({
      facts: {} as Facts,
      sources: [
        () => observed,
        () => {
          throw new Error('a source that fails hides no other')
        },
      ],
      log,
      now: () => nowMs,
      onChange: ({ code, subject }, state) => events.push(`${code} ${subject ?? ''} ${state}`),
    })
    t.same(findings.list(), [])
    observed = [
      { code: 'upstream_down', subject: 'web', message: 'web is down', graceMs: 500 },
      { code: 'registry_away', message: 'gone', sinceAtMs: 400 },
    ]
    t.match(findings.list(), [{ code: 'registry_away', sinceAtMs: 400, cure: /./ }])
    nowMs = 1600
    const both = findings.list()
    t.same(
      both.map(({ code, subject, sinceAtMs }) => [code, subject, sinceAtMs]),
      [
        ['registry_away', undefined, 400],
        ['upstream_down', 'web', 1000],
      ],
      'the longest first, and since it was first seen',
    )
    observed = []
    t.same(findings.list(), [])
    t.same(
      events,
      [
        'registry_away  begun',
        'upstream_down web begun',
        'upstream_down web ended',
        'registry_away  ended',
      ].sort((a, b) => Number(a.endsWith('ended')) - Number(b.endsWith('ended'))),
    )
    nowMs = 5000
    observed = [{ code: 'upstream_down', subject: 'web', message: 'again', graceMs: 500 }]
    t.same(findings.list(), [], 'what ended begins anew')
  },
)

/** Facts of a controller that is well, with some of them otherwise. */
function factsWith(other: Partial<Facts>): Facts {
  const desired: Desired = {
    revision: 7,
    upstreams: new Map(),
    routes: new Map(),
    streamRoutes: new Map(),
    certificates: new Map(),
  }
  return {
    settings: testSettings('/nowhere', {}),
    gatewayId: 'gw',
    desired: () => desired,
    conditionsOf: () => NONE,
    registryView: () => ({ kind: 'etcd', connected: true, syncedAtMs: 1 }),
    writeProblem: () => undefined,
    publishProblem: () => undefined,
    gateways: () => [gateway({})],
    suspects: () => [],
    refused: () => [],
    partly: () => [],
    dnsNames: () => new Map(),
    agents: () => [],
    fileError: () => undefined,
    tableFreeBytes: () => undefined,
    ...other,
  }
}

function gateway(other: Partial<GatewayView>): GatewayView {
  const level = { id: 'gw', applied: 7, desired: 7, lagMs: 0, connected: true, workers: 1 }
  return { ...level, nginx: '1.29.0', njs: '0.9.4', conditions: {}, ...other }
}

function found(other: Partial<Facts>, nowMs = 1_000_000): Array<Pick<Finding, 'code'> & object> {
  const facts = factsWith(other)
  const observed = SOURCES.flatMap((source) => source(facts, nowMs))
  return observed.map(({ code, subject, message }) => ({ code, subject, message }))
}

function upstream(name: string, ...states: string[]) {
  const instances = states.map((state, i) => {
    const record = { host: '10.0.0.1', port: i + 1, weight: 1, state }
    return [`i${i}`, { id: `i${i}`, record, override: undefined, suspect: undefined, revision: 1 }]
  })
  return [name, { name, policy: {}, revision: 1, instances: new Map(instances as never) }] as const
}

t.test('all is well, and each thing that can be wrong', async (t) => {
  t.same(found({}), [])
  const file = testSettings('/nowhere', { mode: 'file' })
  const desired = (...upstreams: unknown[]) => {
    const all = factsWith({}).desired()
    return () => ({ ...all, upstreams: new Map(upstreams as never) }) as Desired
  }
  const down = [
    desired(upstream('half', 'up', 'down'), upstream('none'), upstream('web', 'down', 'draining')),
    desired(upstream('web', 'up')),
  ] as const
  const away = { kind: 'etcd', connected: false, syncedAtMs: 5, reason: 'refused' }
  const cases: Array<[Partial<Facts>, object]> = [
    [{ registryView: () => away }, { code: 'registry_away', message: /etcd.*refused/ }],
    [{ desired: down[0] }, { code: 'upstream_down', subject: 'web', message: /all 2 instances/ }],
    [
      {
        desired: down[1],
        conditionsOf: () => new Map([['i0', { state: 'down', reason: 'connect refused' }]]),
      },
      { code: 'upstream_down', message: /its only instance is down \(connect refused\)/ },
    ],
    [{ gateways: () => [gateway({ connected: false })] }, { code: 'gateway_away', subject: 'gw' }],
    [
      { gateways: () => [gateway({}), gateway({ id: 'b', applied: 3 })] },
      { code: 'gateway_behind', subject: 'b' },
    ],
    [{ gateways: () => [gateway({ applied: 3, code: 'table_full' })] }, { code: 'table_full' }],
    [
      { publishProblem: () => 'permission denied' },
      { code: 'gateway_unpublished', subject: 'gw', message: /permission denied/ },
    ],
    [
      { gateways: () => [gateway({ nginxFetchedAtMs: 1_000_000 - 61 * 86_400_000 })] },
      { code: 'nginx_old', subject: 'gw', message: /nginx 1\.29\.0 .* fetched on 1969-11-01;/ },
    ],
    [{ tableFreeBytes: () => 4096 }, { code: 'table_nearly_full', message: /0 %/ }],
    [{ fileError: () => 'bind() failed', settings: file }, { code: 'configuration_refused' }],
    [{ fileError: () => 'bind() failed' }, { code: 'fallback_stale' }],
    [
      { partly: () => [{ key: 'routes/a', message: 'mesh', revision: 1, sinceAtMs: 1 }] },
      { code: 'fields_unknown', subject: 'routes/a', message: /does not know: mesh/ },
    ],
    [
      { refused: () => [{ key: 'routes/a', message: 'hosts must be', revision: 1, sinceAtMs: 1 }] },
      { code: 'values_refused', subject: 'routes/a', message: /hosts must be/ },
    ],
    [
      { agents: () => [{ id: 'h1' }, { id: 'h2', engine: { reason: 'ENOENT', sinceAtMs: 1 } }] },
      { code: 'engine_away', subject: 'h2', message: /ENOENT/ },
    ],
    [
      {
        agents: () => [
          { id: 'h1', engine: { reason: 'lists none', sinceAtMs: 1, isDoubted: true } },
        ],
      },
      { code: 'engine_doubted', subject: 'h1', message: /lists none/ },
    ],
    [
      {
        agents: () => [
          {
            id: 'h1',
            problems: [{ code: 'address_unreached', subject: 'x', message: 'm', sinceAtMs: 1 }],
          },
        ],
      },
      { code: 'address_unreached', subject: 'x', message: 'agent h1: m' },
    ],
    [
      {
        suspects: () => [
          { upstream: 'web', instances: ['a'], reason: 'lost', sinceAtMs: 1, untilAtMs: 2 },
        ],
      },
      { code: 'removals_held', subject: 'web' },
    ],
  ]
  for (const [facts, finding] of cases) {
    t.match(found(facts), [finding], JSON.stringify(finding))
    t.equal(found(facts).length, 1)
  }
})

t.test('a certificate counts while a name is served with it', async (t) => {
  const one = (id: string, notAfterAtMs: number, names = ['a.test']) =>
    [id, { id, names, record: {}, notBeforeAtMs: 0, notAfterAtMs }] as unknown as [
      string,
      DesiredCertificate,
    ]
  const served = (...all: Array<[string, DesiredCertificate]>) => {
    const desired = { ...factsWith({}).desired(), certificates: new Map(all) }
    return found({ desired: () => desired }, 900)
  }
  t.match(served(one('old', 800)), [{ code: 'certificate_expired', subject: 'old' }])
  t.match(served(one('soon', 1000)), [{ code: 'certificate_ending', subject: 'soon' }])
  t.same(served(one('old', 800), one('new', 90_000)), [], 'another has taken its place')
  t.match(served(one('old', 800, ['a.test', 'b.test']), one('new', 90_000)), [{ subject: 'old' }])
})

t.test('docs/operation.md lists every code', async (t) => {
  const page = readFileSync('docs/operation.md', 'utf8')
  t.same(
    Object.keys(CURES).filter((code) => !page.includes(`\`${code}\``)),
    [],
  )
})
