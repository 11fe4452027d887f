/** Upstreams → who serves and by which rules, before it is known whom the pool has. Pure. */
import { isSelected } from '../../contract/guard/metadata.js'
import type { Where } from '../../contract/guard/metadata.js'
import { DEFAULT_POLICY } from '../../contract/record/policy.js'
import type { InstanceConditions } from '../state/conditions.js'
import type { DesiredUpstream } from '../state/desired.js'
import { isDrawn } from './kept-slots.js'
import { peersOf } from './peers.js'
import type { Peer } from './peers.js'
import { markSlots, trialsOf } from './slot-marks.js'
import { layOut } from './slots.js'
import type { Layout } from './slots.js'
import { unitOf } from './subset.js'
import type { UpstreamSubset } from './subset.js'
import { tiersOf } from './tiers.js'
import type { Tiers } from './tiers.js'
import { NO_LAYOUT } from './unit.js'
import { ruledOf, tokensOf } from './upstream-rules.js'
import type { Ruled } from './upstream-rules.js'

/** An upstream, or some of its instances, before it is known which of its peers the pool has. */
export interface CompiledUpstream {
  name: string
  /** Sorted by SID. */
  peers: Peer[]
  tiers: Tiers
  /** Its slots; empty when rules choose, and when nobody is up. */
  layout: Layout
  /** The slots that it would have if nginx kept connections to all of its peers; maybe empty. */
  drawn: Layout
  ruled: Ruled | undefined
  tokenFor: (peer: Peer) => string
}

/** What one gateway's table depends on beside the registry. */
export interface GatewayTraits {
  /** The gateway's zone; undefined: all zones are alike. */
  zone: string | undefined
  /** By which cookies name instances; undefined: no cookie does. */
  sessionKey(): string | undefined
}

export const ANYWHERE: GatewayTraits = { zone: undefined, sessionKey: () => undefined }

/** Whether an upstream has rules that choose, in place of slots. */
export function chooses({ ruled }: CompiledUpstream): boolean {
  return ruled !== undefined && ruled.rules.balance !== 'n'
}

export function compileUpstream(
  upstream: DesiredUpstream,
  traits: GatewayTraits = ANYWHERE,
  conditions?: InstanceConditions,
  where?: Where,
): CompiledUpstream {
  const { name, policy, instances } = upstream
  const all = peersOf(upstream, conditions)
  const fits = ({ id }: Peer) => isSelected(instances.get(id)?.record.metadata, where ?? {})
  const peers = where === undefined ? all : all.filter(fits)
  const tiers = tiersOf(peers, policy, traits.zone)
  const tokenFor = tokensOf(policy, traits.sessionKey(), name)
  const ruled = ruledOf(upstream, peers, tiers, tokenFor)
  const unit = unitOf({ upstream: name, ...(where && { where }) })
  const compiled = {
    name: unit,
    peers,
    tiers,
    layout: NO_LAYOUT,
    drawn: NO_LAYOUT,
    ruled,
    tokenFor,
  }
  if (chooses(compiled)) {
    const isKept = ruled !== undefined && isDrawn(ruled.rules)
    return isKept ? { ...compiled, drawn: layOut(tiers.main) } : compiled
  }
  const marks = { ruled: false, trials: trialsOf(compiled) }
  return { ...compiled, layout: markSlots(layOut(tiers.main), marks) }
}

/** Of an upstream that is only named. */
export function compileNobody({ upstream: name, where }: UpstreamSubset): CompiledUpstream {
  const empty = { name, policy: DEFAULT_POLICY, revision: 0, instances: new Map() }
  return compileUpstream(empty, ANYWHERE, undefined, where)
}
