/** What the names of an upstream answer → its instances. */
import { printAddress } from '../../contract/guard/address.js'
import { guardInstance } from '../../contract/record/instance-record.js'
import type { DnsHost, DnsName, DnsService } from '../../contract/record/dns-name.js'
import type { ResolvedInstance } from '../state/known-records.js'
import type { BorderRules } from '../state/read-record.js'
import type { RecordType } from './ask-server.js'
import type { FollowedName } from './followed-names.js'
import type { DnsRecord } from './look-up.js'

/** How a name stands; what it asks for is followed from then on. */
export type AskName = (name: string, type: RecordType) => FollowedName

export interface Resolved {
  instances: Map<string, ResolvedInstance>
  /** All names that it depends on. */
  names: FollowedName[]
  /** Addresses that may not serve, and why. */
  refused: string[]
}

interface Peer {
  address: string
  port: number
  weight: number
  isBackup: boolean
}

interface Addresses {
  names: FollowedName[]
  values: string[]
}

const MOST_WEIGHT = 1000
/** More addresses than this of one upstream are none of a name. */
const MOST_INSTANCES = 1000

/** `dns:10.0.0.7:80` → its record; of an address that two names answer, the first one's. */
export function resolveInstances(dns: DnsName[], ask: AskName, rules: BorderRules): Resolved {
  const resolved: Resolved = { instances: new Map(), names: [], refused: [] }
  for (const one of dns) {
    const name = 'srv' in one ? one.srv : one.name
    const { peers, names } = 'srv' in one ? ofService(one, ask) : ofHost(one, ask)
    resolved.names.push(...names)
    peers.forEach((peer) => add(resolved, peer, name, rules))
  }
  return resolved
}

function add(resolved: Resolved, peer: Peer, dns: string, rules: BorderRules): void {
  const { address: host, port, weight, isBackup } = peer
  const backup = isBackup && { backup: true }
  const guarded = guardInstance({ host, port, weight, ...backup }, rules.policy)
  if (!guarded.ok) {
    resolved.refused.push(`${dns}: ${guarded.field} ${guarded.message}`)
    return
  }
  const record = guarded.value
  const at = printAddress(record.host, record.port)
  if (rules.isOwn(record.host, record.port)) {
    resolved.refused.push(`${dns}: ${at} is an address that Sluice itself listens on`)
    return
  }
  // Ids have no brackets.
  const id = `dns:${record.host}:${record.port}`
  if (!resolved.instances.has(id) && resolved.instances.size < MOST_INSTANCES) {
    resolved.instances.set(id, { record, dns })
  }
}

function ofHost(host: DnsHost, ask: AskName): { peers: Peer[]; names: FollowedName[] } {
  const { names, values } = addressesOf(host.name, host.ipv6 === true, ask)
  const { port, weight = 1 } = host
  return { names, peers: values.map((address) => ({ address, port, weight, isBackup: false })) }
}

/** Targets of the lowest priority serve; those of others are backups. */
function ofService(service: DnsService, ask: AskName): { peers: Peer[]; names: FollowedName[] } {
  const asked = ask(service.srv, 'SRV')
  const records = asked.records ?? []
  const first = Math.min(...records.map(({ priority = 0 }) => priority))
  const heaviest = Math.max(...records.map(({ weight = 0 }) => weight))
  const names = [asked]
  const peers = records.flatMap((record) => {
    const target = addressesOf(`${record.value}.`, service.ipv6 === true, ask)
    names.push(...target.names)
    return target.values.map((address) => ({
      ...{ address, port: record.port ?? 0, weight: weightOf(record, heaviest) },
      isBackup: (record.priority ?? 0) > first,
    }))
  })
  return { names, peers }
}

/** From 0 to 65,535 there, from 1 to 1,000 here. */
function weightOf({ weight = 0 }: DnsRecord, heaviest: number): number {
  const scale = heaviest > MOST_WEIGHT ? MOST_WEIGHT / heaviest : 1
  return Math.max(1, Math.round(weight * scale))
}

/**
 * A name that has addresses of one kind alone has none of the other, which is no failure. One that
 * has none at all keeps what it had.
 */
function addressesOf(name: string, ipv6: boolean, ask: AskName): Addresses {
  const names = ipv6 ? [ask(name, 'A'), ask(name, 'AAAA')] : [ask(name, 'A')]
  const isAny = names.some(({ state }) => state === 'good')
  const values = names.flatMap(({ state, records = [] }) =>
    isAny && state === 'empty' ? [] : records.map(({ value }) => value),
  )
  return { names, values }
}
