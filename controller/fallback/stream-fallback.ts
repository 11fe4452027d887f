/**
 * Routes of connections → plain configuration of what is up, for a stream{} whose table is empty.
 * Pure. `$sluice_fallback` is the block that serves what `$sluice_unit` names, `tcp*9100` or
 * `tls*app.example.com`; '' for nothing, `-` for what nobody may serve.
 */
import { isSniRoute } from '../../contract/record/stream-route.js'
import { NOBODY, SNI_PREFIX } from '../../contract/table/mark.js'
import { ConfWriter, plain, quotedWord } from './conf-writer.js'
import type { Desired, DesiredStreamRoute, DesiredUpstream } from '../state/desired.js'
import { blockName, collectBlocks, writeBlock } from './upstream-blocks.js'
import { byServerNameOrder, claimKey } from './words.js'
import { planHosts } from '../table/host-planner.js'
import type { HostPlan } from '../table/host-plan.js'
import { NO_DOMAINS, asRoutes, ledTo } from '../table/stream-table.js'

/** An upstream that did not change is the same object, and so is what is made of it. */
const known = new WeakMap<DesiredUpstream, DesiredUpstream>()

/** nginx passes bytes on. Whether they are TLS, client and instance know. */
function asItComes(upstream: DesiredUpstream): DesiredUpstream {
  const { name, policy, revision, instances } = upstream
  const made = known.get(upstream) ?? { name, policy, revision, instances }
  known.set(upstream, made)
  return made
}

/** Instances that are sent a PROXY header would take its first bytes for that. */
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

/** Ports and names that routes claim. A name comes before the wildcard that it falls under. */
function claims(hosts: Iterable<HostPlan>): HostPlan[] {
  const nameOf = ({ host }: HostPlan) => ({
    host: host.startsWith(SNI_PREFIX) ? host.slice(SNI_PREFIX.length) : host.replace('*', '-'),
  })
  return [...hosts]
    .filter(({ host }) => /^(tcp|udp|tls)\*/.test(host))
    .sort((a, b) => byServerNameOrder(nameOf(a), nameOf(b)))
}

/** The file's text, without its header; '' where there is nothing to serve. */
export function renderStreams(desired: Desired): string {
  const routes = [...desired.streamRoutes.values()]
  const served = new Set(routes.filter(isServed).map(({ id }) => id))
  const hosts = asRoutes(routes)
  const plan = planHosts(hosts.values(), [], NO_DOMAINS)
  const led = [...ledTo(hosts, desired.upstreams)]
  const upstreams = new Map(led.map(([name, upstream]) => [name, asItComes(upstream)]))
  const blocks = collectBlocks({ ...desired, upstreams }, plan)
  const shut = portsWithNames(routes)
  const out = new ConfWriter()
  blocks.forEach((servers, unit) => writeBlock(out, unit, servers))
  out.block('map', [plain('$sluice_unit'), plain('$sluice_fallback')], () => {
    out.entry(plain('default'), quotedWord(''))
    for (const { host, routes } of claims(plan.hosts.values())) {
      const line = routes.find(({ prefix }) => prefix === '/')
      const isOpen = line !== undefined && served.has(line.route) && !shut.has(host)
      const block = isOpen && blocks.has(line.target) ? blockName(line.target) : NOBODY
      out.entry(claimKey(host), plain(block))
    }
  })
  return routes.length === 0 ? '' : out.text()
}
