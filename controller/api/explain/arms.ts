/** How what is asked for is shared out: which upstreams and peers serve it. */
import { isSelected } from '../../../contract/guard/metadata.js'
import type { Where } from '../../../contract/guard/metadata.js'
import type { PeerTls } from '../../../contract/record/peer-tls.js'
import type { DnsName } from '../../../contract/record/dns-name.js'
import type { InstanceProtocol } from '../../../contract/record/upstream-record.js'
import type { Policy } from '../../../contract/record/policy.js'
import { sidOfRecord } from '../../state/sid.js'
import { compileNobody, compileUpstream } from '../../table/compiled-upstream.js'
import type { CompiledUpstream, GatewayTraits } from '../../table/compiled-upstream.js'
import type { InstanceConditions } from '../../state/conditions.js'
import type { Desired, DesiredUpstream } from '../../state/desired.js'
import type { UpstreamSubset } from '../../table/subset.js'
import type { Matched } from './match.js'
import { describePolicy } from './policy.js'
import { sharesOf, whereText } from './split.js'
import { showInstance } from '../change/instances.js'
import type { ExplainedRequest } from './question.js'
import { settingsOf } from '../change/upstreams.js'

interface Arm {
  name: string
  where?: Where
  weight: number
  /** Of all requests like this one. */
  share: number
  /** Absent when there is no such upstream. */
  policy?: Policy
  tls?: PeerTls
  protocol?: InstanceProtocol
  dns?: DnsName[]
  peers: Array<Record<string, unknown>>
}

/** What decides beside the registry. */
export interface GatewayContext extends GatewayTraits {
  domains: readonly string[]
  /** Whether paths that leave a prefix are passed on. */
  rawPaths: boolean
  /** What the own gateway found out about an upstream's instances. */
  conditionsOf: (upstream: string) => InstanceConditions
}

export interface Served {
  outcome: 'served' | 'no_peer'
  upstreams: Array<Omit<Arm, 'peers'>>
  peers: Array<Record<string, unknown>>
}

/** `why` is added to. */
export function serveArms(
  desired: Desired,
  matched: Pick<Matched, 'unit' | 'split'>,
  ground: GatewayContext,
  asked: ExplainedRequest,
  why: string[],
): Served {
  const shared = shareOut(desired, matched, ground, asked, why)
  const peers = shared.flatMap((arm) => arm.peers)
  const outcome = shared.some(({ share }) => share > 0) ? 'served' : 'no_peer'
  if (outcome === 'no_peer') {
    why.push('no instance is up')
  }
  return { outcome, upstreams: shared.map(withoutPeers), peers }
}

function withoutPeers(arm: Arm): Omit<Arm, 'peers'> {
  const { name, where, weight, share, policy, tls, protocol, dns } = arm
  const settings = policy !== undefined && settingsOf({ policy, tls, protocol, dns })
  return { name, ...(where && { where }), weight, share, ...settings }
}

function shareOut(
  desired: Desired,
  { unit, split }: Pick<Matched, 'unit' | 'split'>,
  ground: GatewayContext,
  asked: ExplainedRequest,
  why: string[],
): Arm[] {
  const arms = split.split.map((arm) => {
    const one = desired.upstreams.get(arm.upstream)
    return { ...arm, one, compiled: compiledOf(one, arm, ground) }
  })
  const shares = sharesOf(unit, split, arms, asked, why)
  return arms.map((arm) => {
    const { upstream: name, where, weight, one, compiled } = arm
    const same = arms.filter((other) => other.compiled.name === compiled.name)
    const total = same.reduce((sum, each) => sum + each.weight, 0)
    const own = total === 0 ? 1 / same.length : weight / total
    const share = own * (shares.get(compiled.name) ?? 0)
    if (one === undefined) {
      why.push(`there is no upstream ${name}`)
      return { name, weight, share, peers: [], ...(where && { where }) }
    }
    const isUp = compiled.tiers.main.length > 0
    const decisive = describePolicy(one, compiled.tiers, ground, asked.variables.http_cookie)
    const none = `upstream ${name} has no instance that is up${whereText(where)}`
    why.push(...(isUp ? decisive : [none]))
    const peers = peersOf(one, arm, ground, share)
    return { name, weight, share, ...(where && { where }), ...settingsOf(one), peers }
  })
}

function compiledOf(
  one: DesiredUpstream | undefined,
  arm: UpstreamSubset,
  ground: GatewayContext,
): CompiledUpstream {
  return one === undefined
    ? compileNobody(arm)
    : compileUpstream(one, ground, ground.conditionsOf(arm.upstream), arm.where)
}

/** Of those that requests are shared out among. */
function totalWeight(compiled: CompiledUpstream): number {
  return compiled.tiers.main.reduce((sum, { weight }) => sum + weight, 0)
}

/**
 * Every instance. One that shares its address with another has no share of its own, and one that
 * waits has none.
 */
function peersOf(
  upstream: DesiredUpstream,
  { compiled, where = {} }: { compiled: CompiledUpstream; where?: Where },
  ground: GatewayContext,
  share: number,
): Array<Record<string, unknown>> {
  const conditions = ground.conditionsOf(upstream.name)
  const total = totalWeight(compiled)
  const bySid = new Map(compiled.tiers.main.map((peer) => [peer.sid, peer]))
  const all = [...upstream.instances.values()]
  const meant = all.filter(({ record }) => isSelected(record.metadata, where))
  return meant.map((instance) => {
    const peer = bySid.get(sidOfRecord(instance.record))
    const own = peer?.id === instance.id ? (share * peer.weight) / total : 0
    const shown = showInstance(instance, conditions.get(instance.id))
    return { upstream: upstream.name, ...shown, share: own }
  })
}
