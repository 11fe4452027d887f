/** The `upstream{}` blocks of the fallback: who is in them, and with what weight. Pure. */
import { parseIp, printAddress, printIp } from '../../contract/guard/address.js'
import { isSelected } from '../../contract/guard/metadata.js'
import type { Where } from '../../contract/guard/metadata.js'
import type { SplitArm } from '../../contract/record/route-split.js'
import { SluiceError } from '../../runtime/errors.js'
import { plain } from './conf-writer.js'
import type { ConfWriter, Word } from './conf-writer.js'
import type { Desired, DesiredUpstream } from '../state/desired.js'
import { nameWord } from './words.js'
import type { HostsPlan } from '../table/host-plan.js'
import { peersOf } from '../table/peers.js'
import type { Peer } from '../table/peers.js'
import { apportion } from '../table/slots.js'
import type { UpstreamSubset } from '../table/subset.js'
import { tiersOf } from '../table/tiers.js'

export interface Server {
  address: string
  weight: number
  /** 0: no limit. nginx holds each worker to it, not all of them together. */
  maxConns: number
  backup: boolean
}

/**
 * The balance is nginx's own round robin, whatever the policy says. Other balances take no
 * `backup`, or need njs.
 */
function traitsOf({ weight, maxConns, backup }: Server): Word[] {
  return [
    ...(weight === 1 ? [] : [plain(`weight=${weight}`)]),
    ...(maxConns === 0 ? [] : [plain(`max_conns=${maxConns}`)]),
    ...(backup ? [plain('backup')] : []),
  ]
}

/** Weights of a split are fractions; this keeps them within 0.1 %. */
const SPLIT_SHARES = 10_000

function addressOf(host: string, port: number): string {
  const bytes = parseIp(host)
  if (bytes === null) {
    throw new SluiceError('internal', `not an address: ${JSON.stringify(host)}`)
  }
  return printAddress(printIp(bytes), port)
}

/** An upstream that did not change is the same object. */
const known = new WeakMap<DesiredUpstream, Server[]>()

function serversOf(desired: Desired, { upstream, where }: UpstreamSubset): Server[] {
  const found = desired.upstreams.get(upstream)
  if (found === undefined) {
    return []
  }
  if (where !== undefined) {
    return listServers(found, where)
  }
  const servers = known.get(found) ?? listServers(found)
  known.set(found, servers)
  return servers
}

/**
 * nginx takes no upstream of nothing but backups; when no other instance is up, they are the
 * servers. All zones are alike: the file is for the day when a gateway has nothing else.
 */
function listServers(upstream: DesiredUpstream, where: Where = {}): Server[] {
  // A file without njs has one protocol for all servers of a host. A server for TLS or gRPC is
  // never asked by plain HTTP.
  if (upstream.tls !== undefined || upstream.protocol !== undefined) {
    return []
  }
  const fits = ({ id }: Peer) => isSelected(upstream.instances.get(id)?.record.metadata, where)
  const { main, spill } = tiersOf(peersOf(upstream).filter(fits), upstream.policy, undefined)
  const printed = ({ host, port, weight, maxConns }: Peer, backup: boolean): Server => {
    return { address: addressOf(host, port), weight, maxConns, backup }
  }
  return [...main.map((peer) => printed(peer, false)), ...spill.map((peer) => printed(peer, true))]
}

/** In whole numbers; of one address that serves several arms it is the sum. */
function shareOut(servers: Server[]): Server[] {
  const byAddress = new Map<string, Server>()
  for (const server of servers) {
    const weight = server.weight + (byAddress.get(server.address)?.weight ?? 0)
    byAddress.set(server.address, { ...server, weight })
  }
  const sorted = [...byAddress.values()].sort((a, b) => (a.address < b.address ? -1 : 1))
  const due = sorted.map(({ weight }) => weight)
  const shares = due.length === 0 ? [] : apportion(due, Math.max(SPLIT_SHARES, due.length))
  return sorted.map((server, i) => ({ ...server, weight: shares[i] ?? 1 }))
}

function splitServers(desired: Desired, arms: SplitArm[]): Server[] {
  const drawn = arms.filter(({ weight }) => weight > 0)
  const all = drawn.flatMap((arm) => {
    const servers = serversOf(desired, arm)
    const sum = servers.reduce((total, { weight, backup }) => total + (backup ? 0 : weight), 0)
    return servers.map((server) =>
      server.backup ? server : { ...server, weight: (arm.weight * server.weight) / sum },
    )
  })
  const main = shareOut(all.filter(({ backup }) => !backup))
  const serving = new Set(main.map(({ address }) => address))
  const backups = new Map(
    all
      .filter(({ address, backup }) => backup && !serving.has(address))
      .map((server) => [server.address, server]),
  )
  return [...main, ...[...backups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, server]) => server)]
}

/** `:web` → `sluice_f_web`, `~canary` → `sluice_s_canary`. */
export function blockName(unit: string): string {
  return `${unit.startsWith(':') ? 'sluice_f_' : 'sluice_s_'}${nameWord(unit.slice(1))}`
}

/** Units with somebody up → their servers. */
export function collectBlocks(desired: Desired, plan: HostsPlan): Map<string, Server[]> {
  const blocks = new Map<string, Server[]>()
  for (const upstream of [...desired.upstreams.keys()].sort()) {
    blocks.set(`:${upstream}`, serversOf(desired, { upstream }))
  }
  for (const [unit, { split }] of [...plan.splits].sort(([a], [b]) => (a < b ? -1 : 1))) {
    blocks.set(unit, splitServers(desired, split))
  }
  return new Map([...blocks].filter(([, servers]) => servers.length > 0))
}

/** The unit's `upstream{}`, with `more` behind its servers. */
export function writeBlock(
  out: ConfWriter,
  unit: string,
  servers: Server[],
  more: () => void = () => undefined,
): void {
  out.block('upstream', [plain(blockName(unit))], () => {
    for (const server of servers) {
      out.directive('server', plain(server.address), ...traitsOf(server))
    }
    more()
  })
}
