/** A table of the default size holds what docs/limits.md says: 10,000 upstreams, long names. */
import t from 'tap'
import { DEFAULT_POLICY } from '../../../contract/record/policy.js'
import { Compiler } from '../../../controller/table/compiler.js'
import type { DesiredInstance, DesiredUpstream } from '../../../controller/state/desired.js'
import { loadConfig } from '../../../runtime/config/load.js'
import { silentLogger } from '../../../runtime/logger.js'
import { startGateway } from '../../../lab/nginx/gateway.js'
import { temporaryFolder } from '../../../lab/temp.js'

/**
 * A quarter of them, because to write all takes half a minute; hosts with slots of their own are
 * among these.
 */
const PART = 4

function upstream(i: number): DesiredUpstream {
  const host = `10.0.${i >> 8}.${i & 255}`
  const instance: DesiredInstance = {
    ...{ id: 'a', revision: 1, override: undefined, suspect: undefined },
    record: { host, port: 8080, weight: 1, state: 'up' },
  }
  const name = `some-service-of-ours-${i}`
  return { name, policy: DEFAULT_POLICY, revision: 1, instances: new Map([['a', instance]]) }
}

t.test('10,000 upstreams fit into the table', async (t) => {
  const folder = temporaryFolder(t)
  const { settings } = loadConfig({ flags: new Map(), environment: {}, directory: folder })
  const tableBytes = settings.tableBytes / PART
  const gateway = await startGateway(t, { kind: 'njs', workers: 1, tableBytes })
  const compiler = new Compiler(['localhost'], silentLogger)
  const all = Array.from({ length: 10_000 / PART }, (_, i) => upstream(i))
  const upstreams = new Map(all.map((one) => [one.name, one]))
  const none = { routes: new Map(), streamRoutes: new Map(), certificates: new Map() }
  compiler.update({ revision: 1, upstreams, ...none }, new Set())
  await gateway.setTable(...[...compiler.units.values()].map(({ entries }) => new Map(entries)))
  const { freeBytes } = await gateway.state()
  t.ok(freeBytes > tableBytes / 10, `${freeBytes} of ${tableBytes} bytes are free`)
})
