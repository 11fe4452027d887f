/**
 * Instances → peers: one for each address, with what the registry, an operator and this gateway say
 * of it. Pure.
 */
import type { InstanceConditions } from '../state/conditions.js'
import { instanceState } from '../state/desired.js'
import type { DesiredInstance, DesiredUpstream } from '../state/desired.js'
import { sidOfRecord } from '../state/sid.js'

/** One address of an upstream. */
export interface Peer {
  sid: string
  host: string
  port: number
  /** The instance it is shown as. */
  id: string
  /** Whole, from 1; only its ratio to the others' counts. */
  weight: number
  up: boolean
  /** Nobody there says that it could still serve, not even what it has. */
  down: boolean
  /** Takes nothing new, and could keep the sessions that it has. */
  draining: boolean
  /** 1 to 9: one request is to try it. 0: none. */
  trial: number
  /** Ejected: the hop asks it when nobody else is left. */
  ejected: boolean
  /** 0: no limit. */
  maxConns: number
  backup: boolean
  zone: string | undefined
  /** Its weight is a part of what it will be. */
  warming: boolean
}

interface Merged extends Omit<Peer, 'warming'> {
  share: number
}

/**
 * While somebody warms up, all weights of the upstream are this many times as large, so that parts
 * of them are whole numbers.
 */
const PARTS = 10
/** What an entry of a list has room for. */
const MOST_WEIGHT = 9999
const NO_CONDITIONS: InstanceConditions = new Map()

function isUp(instance: DesiredInstance): boolean {
  return instanceState(instance).state === 'up'
}

function traitsOf(
  shown: DesiredInstance,
  counted: DesiredInstance[],
): Pick<Peer, 'maxConns' | 'backup' | 'zone' | 'weight'> {
  const limits = counted.flatMap(({ record }) => record.maxConns ?? [])
  return {
    weight: Math.max(...counted.map(({ record }) => record.weight)),
    maxConns: limits.length === 0 ? 0 : Math.min(...limits),
    backup: counted.every(({ record }) => record.backup === true),
    zone: shown.record.zone,
  }
}

/**
 * Several instances of one upstream at one address are one process that registered more than once:
 * an agent and an operator, or an old container and the new one. So they are one peer.
 *
 * It has the largest weight (the sum would double its load) and the lowest limit. It is up if any
 * of them is, because the newest registration is the true one. It is not up while an operator
 * drains one of them, because then nothing may reach that address. A condition of one of them is
 * true of the process.
 */
function merge(sid: string, instances: DesiredInstance[], conditions: InstanceConditions): Merged {
  const sorted = [...instances].sort((a, b) => (a.id < b.id ? -1 : 1))
  const shown = sorted.find(isUp) ?? sorted[0]
  if (shown === undefined) {
    throw new Error('a peer has at least one instance')
  }
  const counted = isUp(shown) ? sorted.filter(isUp) : sorted
  const known = counted.flatMap(({ id }) => conditions.get(id) ?? [])
  const out = known.filter(({ state }) => state === 'down')
  const isOut = out.length > 0
  const serves = isUp(shown) && instances.every(({ override }) => override === undefined)
  const down = instances.every((instance) => instanceState(instance).state === 'down')
  return {
    sid,
    host: shown.record.host,
    port: shown.record.port,
    id: shown.id,
    ...traitsOf(shown, counted),
    up: serves && !isOut,
    down,
    draining: !serves && !down && !isOut,
    trial: serves && isOut ? (known.find(({ trial }) => trial !== undefined)?.trial ?? 0) : 0,
    ejected: serves && isOut && out.every(({ ejected }) => ejected === true),
    share: Math.min(1, ...known.map(({ share = 1 }) => share)),
  }
}

/** Somebody who warms up has at least one part in its weight, or nothing would ever reach it. */
function weigh(merged: Merged[]): Peer[] {
  const isWarm = merged.every(({ share }) => share === 1)
  const most = merged.reduce((largest, { weight }) => Math.max(largest, weight), 1)
  const parts = isWarm ? 1 : Math.min(PARTS, Math.floor(MOST_WEIGHT / most))
  return merged.map(({ share, weight, ...peer }) => ({
    ...peer,
    warming: share < 1,
    weight: Math.max(1, Math.round(weight * parts * share)),
  }))
}

/**
 * A trial is for one request while others serve. When nobody else does, the peer serves: there is
 * nothing to lose.
 */
function raiseTrials(peers: Peer[]): Peer[] {
  return peers.some(({ up }) => up)
    ? peers
    : peers.map((peer) => (peer.trial === 0 ? peer : { ...peer, up: true, trial: 0 }))
}

/** One for each address, sorted by SID. */
export function peersOf(
  upstream: DesiredUpstream,
  conditions: InstanceConditions = NO_CONDITIONS,
): Peer[] {
  const bySid = new Map<string, DesiredInstance[]>()
  for (const instance of upstream.instances.values()) {
    const sid = sidOfRecord(instance.record)
    const same = bySid.get(sid)
    if (same === undefined) {
      bySid.set(sid, [instance])
    } else {
      same.push(instance)
    }
  }
  const merged = [...bySid].map(([sid, instances]) => merge(sid, instances, conditions))
  return raiseTrials(weigh(merged.sort((a, b) => (a.sid < b.sid ? -1 : 1))))
}
