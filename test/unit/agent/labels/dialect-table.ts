/** The conformance table of a dialect: labels and environment in, what is registered out. */
import t from 'tap'
import type { Container } from '../../../../agent/engine/container.js'
import { DEFAULT_DIALECTS } from '../../../../agent/labels/dialect.js'
import { readContainer } from '../../../../agent/plan/container-records.js'
import { printClaim } from '../../../../agent/plan/route-claim.js'
import type { AgentMachine } from '../../../../agent/plan/instance-address.js'
import type { LabelDialect } from '../../../../runtime/config/kinds.js'
import type { DialectSettings } from '../../../../runtime/config/settings.js'
import { container } from '../container-fixture.js'

export interface DialectRow {
  name: string
  labels?: Record<string, string>
  /** `SERVICE_NAME=web` */
  env?: string[]
  rest?: Partial<Container>
  settings?: Partial<DialectSettings>
  machine?: Partial<AgentMachine>
  /** `upstream port` of each instance, then its traits, then its routes: `web 80 w3 a.example/`. */
  want?: string[]
  /** Parts of the first instance's route, settings and metadata. */
  route?: object
  upstream?: object
  metadata?: object
  refused?: RegExp[]
  warnings?: RegExp[]
  why?: RegExp
  asked?: boolean
}

export function published(...ports: string[]): Container['published'] {
  return ports.map((text) => {
    const [port, transport] = text.split('/')
    const side = { port: Number(port), hostAddress: '', hostPort: 30_000 + Number(port) }
    return { ...side, transport: transport === 'udp' ? 'udp' : 'tcp' }
  })
}

function splitEnv(line: string): readonly [string, string] {
  const at = line.indexOf('=')
  return [line.slice(0, at), line.slice(at + 1)]
}

function read(dialect: LabelDialect, row: DialectRow) {
  const { labels = {}, env = [], rest = {}, settings = {}, machine = {} } = row
  const its = container({ ...rest, labels, env: env.map(splitEnv) })
  const dialects = { ...DEFAULT_DIALECTS, dialects: [dialect], ...settings }
  const node = { agent: 'node-1', address: undefined, allowLoopback: false }
  return readContainer(its, { ...node, dialects, ...machine })
}

export function checkTable(dialect: LabelDialect, rows: DialectRow[]): void {
  for (const row of rows) {
    t.test(row.name, async (t) => {
      const { instances, refused, warnings, why, asked } = read(dialect, row)
      const got = instances.map(({ upstream, record, routes }) =>
        [
          `${upstream} ${record.port}`,
          ...(record.weight === 1 ? [] : [`w${record.weight}`]),
          ...(record.maxConns === undefined ? [] : [`max${record.maxConns}`]),
          ...(record.backup === true ? ['backup'] : []),
          ...routes.map(({ record: route }) => printClaim(route)),
        ].join(' '),
      )
      const reasons = refused.map(({ reason }) => reason)
      t.same(got, row.want ?? [], [...reasons, ...warnings].join('; '))
      t.equal(reasons.length, row.refused?.length ?? 0, reasons.join('; '))
      row.refused?.forEach((pattern, i) => t.match(reasons[i], pattern))
      t.equal(warnings.length, row.warnings?.length ?? 0, warnings.join('; '))
      row.warnings?.forEach((pattern, i) => t.match(warnings[i], pattern))
      const [first] = instances
      if (row.route) {
        t.match(first?.routes[0]?.record, row.route)
      }
      if (row.upstream) {
        t.match(first?.settings, row.upstream)
      }
      if (row.metadata) {
        t.match(first?.record.metadata, row.metadata)
      }
      t.match(why.join('; '), row.why ?? /^/)
      t.equal(asked, row.asked ?? true)
    })
  }
}
