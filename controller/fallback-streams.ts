/**
 * Routes of connections → plain configuration of what is up, for a stream{} whose table is empty. Pure. `$sluice_fallback` is the block
 * that serves what `$sluice_unit` names, `tcp*9100` or `tls*app.example.com`; '' for nothing, `-` for what nobody may serve.
 */
import { isSniRoute } from '../contract/stream-route.js'
import { PASSED_NAME } from '../contract/zones.js'
import { ConfWriter, plain, quoted } from './conf-writer.js'
import type { Desired, DesiredStreamRoute, DesiredUpstream } from './desired.js'
import { blockName, collectBlocks, traitsOf } from './fallback-blocks.js'
import type { Server } from './fallback-blocks.js'
import { byPrecedence, claimKey } from './fallback-words.js'
import { planHosts } from './hosts.js'
import type { HostPlan } from './hosts.js'
import { asHosts } from './stream-table.js'

const NOBODY = '-'
const NO_DOMAIN = ''

/** An upstream that did not change is the same object, and so is what is made of it. */
const known = new WeakMap<DesiredUpstream, DesiredUpstream>()

/** nginx passes on what comes: whether that is TLS, or for which protocol, is the client's and the instance's own. */
function asItComes(upstream: DesiredUpstream): DesiredUpstream {
  const { name, policy, revision, instances } = upstream
  const made = known.get(upstream) ?? { name, policy, revision, instances }
  known.set(upstream, made)
  return made
}

/** Those that routes of connections lead to. */
function ledTo({ upstreams, streamRoutes }: Desired): Map<string, DesiredUpstream> {
  const found = [...streamRoutes.values()]
    .flatMap(({ record }) => record.split?.map((arm) => arm.upstream) ?? [record.upstream ?? ''])
    .map((name) => upstreams.get(name))
  return new Map(found.flatMap((each) => (each ? [[each.name, asItComes(each)] as const] : [])))
}

/** Instances that are to be told the client would take its first bytes for that. */
function isServed({ record }: DesiredStreamRoute): boolean {
  return record.proxyProtocol === undefined
}

/** Who reads a name needs njs, and time: at ports that have names, nobody is served. */
function portsWithNames(routes: DesiredStreamRoute[]): Set<string> {
  const ports = routes.flatMap(({ record }) =>
    isSniRoute(record) && record.port !== undefined ? [record.port] : [],
  )
  return new Set(ports.map((port) => `tcp*${port}`))
}

/** The claims that are ports or names at the HTTPS port; names before the wildcards that they fall under. */
function claims(hosts: Iterable<HostPlan>): HostPlan[] {
  const nameOf = ({ host }: HostPlan) => ({
    host: host.startsWith(PASSED_NAME) ? host.slice(PASSED_NAME.length) : host.replace('*', '-'),
  })
  return [...hosts]
    .filter(({ host }) => /^(tcp|udp|tls)\*/.test(host))
    .sort((a, b) => byPrecedence(nameOf(a), nameOf(b)))
}

function writeBlocks(out: ConfWriter, blocks: Map<string, Server[]>): void {
  for (const [unit, servers] of blocks) {
    out.block('upstream', [plain(blockName(unit))], () => {
      for (const server of servers) {
        out.directive('server', plain(server.address), ...traitsOf(server))
      }
    })
  }
}

/** The file's text, without its header; '' where there is nothing to serve. */
export function renderStreams(desired: Desired): string {
  const routes = [...desired.streamRoutes.values()]
  const served = new Set(routes.filter(isServed).map(({ id }) => id))
  const plan = planHosts(asHosts(routes).values(), [], NO_DOMAIN)
  const blocks = collectBlocks({ ...desired, upstreams: ledTo(desired) }, plan)
  const shut = portsWithNames(routes)
  const out = new ConfWriter()
  writeBlocks(out, blocks)
  out.block('map', [plain('$sluice_unit'), plain('$sluice_fallback')], () => {
    out.entry(plain('default'), quoted(''))
    for (const { host, routes } of claims(plan.hosts.values())) {
      const line = routes.find(({ prefix }) => prefix === '/')
      const isOpen = line !== undefined && served.has(line.route) && !shut.has(host)
      const block = isOpen && blocks.has(line.target) ? blockName(line.target) : NOBODY
      out.entry(claimKey(host), plain(block))
    }
  })
  return routes.length === 0 ? '' : out.text()
}
