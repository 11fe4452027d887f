/** The `upstream{}` blocks of the fallback: who is in them, and with what weight. Pure. */
import { parseIp, printAddress, printIp } from '../contract/address.js'
import { SluiceError } from '../runtime/errors.js'
import type { Desired, DesiredUpstream } from './desired.js'
import { nameWord } from './fallback-words.js'
import type { Plan } from './hosts.js'
import { peersOf } from './peers.js'
import { apportion } from './slots.js'

export interface Server {
  address: string
  weight: number
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

function serversOf(desired: Desired, upstream: string): Server[] {
  const found = desired.upstreams.get(upstream)
  if (found === undefined) {
    return []
  }
  const servers =
    known.get(found) ??
    peersOf(found)
      .filter((peer) => peer.up)
      .map(({ host, port, weight }) => ({ address: addressOf(host, port), weight }))
  known.set(found, servers)
  return servers
}

function splitServers(
  desired: Desired,
  arms: Array<{ upstream: string; weight: number }>,
): Server[] {
  const weights = new Map<string, number>()
  for (const arm of arms) {
    const servers = serversOf(desired, arm.upstream)
    const sum = servers.reduce((total, server) => total + server.weight, 0)
    for (const { address, weight } of servers) {
      weights.set(address, (weights.get(address) ?? 0) + (arm.weight * weight) / sum)
    }
  }
  const addresses = [...weights.keys()].sort()
  const due = addresses.map((address) => weights.get(address) ?? 0)
  const shares = due.length === 0 ? [] : apportion(due, Math.max(SPLIT_SHARES, due.length))
  return addresses.map((address, i) => ({ address, weight: shares[i] ?? 1 }))
}

/** `:web` → `sluice_f_web`, `~canary` → `sluice_s_canary`. */
export function blockName(unit: string): string {
  return `${unit.startsWith(':') ? 'sluice_f_' : 'sluice_s_'}${nameWord(unit.slice(1))}`
}

/** Units with somebody up → their servers. */
export function collectBlocks(desired: Desired, plan: Plan): Map<string, Server[]> {
  const blocks = new Map<string, Server[]>()
  for (const upstream of [...desired.upstreams.keys()].sort()) {
    blocks.set(`:${upstream}`, serversOf(desired, upstream))
  }
  for (const [unit, arms] of [...plan.splits].sort(([a], [b]) => (a < b ? -1 : 1))) {
    blocks.set(unit, splitServers(desired, arms))
  }
  return new Map([...blocks].filter(([, servers]) => servers.length > 0))
}
