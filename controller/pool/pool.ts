/** Which peers nginx's pool holds, and the SRV and A records that say so. Pure. */
import { createHash } from 'node:crypto'

export interface Member {
  sid: string
  /** IPv4: the pool's resolver does not ask for other addresses. */
  host: string
  port: number
  /** 1 by default. */
  weight?: number
}

export const POOL_DOMAIN = 'pool.sluice'

/**
 * For each shard. nginx goes through all of them for a request, and one answer holds 1,400 SRV
 * records. Peers beyond this are reached by address, which is slower for them, and right.
 */
export const MOST_MEMBERS = 1000

/**
 * Never empty: an empty answer would drop all peers, and the next question would come only ten
 * seconds later.
 */
const PLACEHOLDER: Member = { sid: '', host: '127.0.0.1', port: 9 }

export interface PoolAnswers {
  /** One SRV record for each port and weight; its target carries all addresses that have these. */
  services: Array<{ port: number; weight: number; target: string }>
  /** Target → addresses. */
  targets: ReadonlyMap<string, readonly string[]>
  /** Target → SIDs that nginx has once it asked for the service, then for this target. */
  sids: ReadonlyMap<string, readonly string[]>
}

/**
 * Only IPv4, each SID once; and the lowest when there are too many, so that every controller takes
 * the same ones.
 */
export function selectMembers(candidates: Iterable<Member>): Member[] {
  const bySid = new Map<string, Member>()
  for (const member of candidates) {
    if (!member.host.includes(':')) {
      bySid.set(member.sid, member)
    }
  }
  const sorted = [...bySid.values()].sort((a, b) => (a.sid < b.sid ? -1 : 1))
  return sorted.slice(0, MOST_MEMBERS)
}

interface Service {
  port: number
  weight: number
  members: Member[]
}

/** By port, then by weight. */
export function servicesOf(members: readonly Member[]): Service[] {
  const services = new Map<string, Service>()
  for (const member of members) {
    const { port, weight = 1 } = member
    const same = services.get(`${port} ${weight}`)?.members ?? []
    services.set(`${port} ${weight}`, { port, weight, members: [...same, member] })
  }
  return [...services.values()].sort((a, b) => a.port - b.port || a.weight - b.weight)
}

/**
 * Services with the same addresses share a target. A target is named after its content, so an old
 * answer never gets a new meaning.
 */
export function answersFor(members: readonly Member[], domain = POOL_DOMAIN): PoolAnswers {
  const services: PoolAnswers['services'] = []
  const targets = new Map<string, string[]>()
  const sids = new Map<string, string[]>()
  const all = members.length === 0 ? [PLACEHOLDER] : members
  for (const { port, weight, members: same } of servicesOf(all)) {
    const hosts = [...new Set(same.map((member) => member.host))].sort()
    const name = createHash('sha256').update(hosts.join(' ')).digest('hex').slice(0, 12)
    const target = `h${name}.${domain}`
    services.push({ port, weight, target })
    targets.set(target, hosts)
    const known = same.map((member) => member.sid).filter((sid) => sid !== '')
    sids.set(target, [...(sids.get(target) ?? []), ...known])
  }
  return { services, targets, sids }
}

/**
 * Follows what nginx asks: the service, then each target, and a second later the service again.
 * What it was answered in one round is surely in its pool when the next round begins.
 */
export class PoolProgress {
  readonly #domain: string
  #current: PoolAnswers | undefined
  /** What the last answer to the service named, and which of its targets were asked for since. */
  #round: { answers: PoolAnswers; asked: Set<string> } | undefined
  /** Targets of former answers, for questions that are still to come. */
  #former = new Map<string, readonly string[]>()
  #pooled: ReadonlySet<string> = new Set()
  /** Undefined until a whole round showed what nginx has. */
  #possible: Set<string> | undefined
  #isAssumed = false

  constructor(domain = POOL_DOMAIN) {
    this.#domain = domain
  }

  /** SIDs that nginx surely has. The same object until it changes. */
  get pooled(): ReadonlySet<string> {
    return this.#pooled
  }

  /**
   * Undefined before the members are known: nginx may still have those of an earlier controller,
   * and should keep them.
   */
  get answers(): PoolAnswers | undefined {
    return this.#current
  }

  setMembers(members: Member[]): void {
    this.#former = new Map([
      ...(this.#round?.answers.targets ?? []),
      ...(this.#current?.targets ?? []),
    ])
    this.#current = answersFor(members, this.#domain)
    // Who left goes at once: the pool may lose it at any moment from now.
    const stay = this.#memberSids()
    this.#set(new Set([...this.#pooled].filter((sid) => stay.has(sid))))
  }

  /**
   * Takes all members for pooled: an earlier controller answered them to an nginx that runs on. The
   * next rounds show whether it is so. Until then a wrong guess costs a retry.
   */
  assume(): void {
    this.#isAssumed = true
    this.#set(this.#memberSids())
  }

  /** Whether a SID is only taken for pooled, and nginx's questions have not shown it yet. */
  isAssumed(sid: string): boolean {
    return this.#isAssumed && this.#pooled.has(sid)
  }

  #memberSids(): Set<string> {
    return new Set([...(this.#current?.sids.values() ?? [])].flat())
  }

  /** Whether nginx may have the SID. */
  mayHave(sid: string): boolean {
    return this.#possible?.has(sid) !== false
  }

  /**
   * After a round in which it asked for all targets, nginx has what that was answered with, and may
   * soon have what it is answered now.
   */
  #foresee(): void {
    const round = this.#round
    const isWhole =
      round !== undefined && [...round.answers.targets.keys()].every((one) => round.asked.has(one))
    const before = isWhole ? [...round.answers.sids.values()].flat() : this.#possible
    this.#possible = before && new Set([...before, ...this.#memberSids()])
  }

  /** nginx began a new round. True when the set of pooled SIDs is another one now. */
  serviceAsked(): boolean {
    const before = this.#pooled
    const round = this.#round
    this.#foresee()
    if (round !== undefined && this.#current !== undefined) {
      const fetched = new Set(
        [...round.asked].flatMap((target) => round.answers.sids.get(target) ?? []),
      )
      const members = this.#memberSids()
      this.#isAssumed = false
      this.#set(new Set([...fetched].filter((sid) => members.has(sid))))
    }
    this.#round =
      this.#current === undefined ? undefined : { answers: this.#current, asked: new Set() }
    return before !== this.#pooled
  }

  /** Addresses of a target, or undefined when no recent answer named it. */
  targetAsked(target: string): readonly string[] | undefined {
    if (this.#round?.answers.targets.has(target) === true) {
      this.#round.asked.add(target)
    }
    return this.#current?.targets.get(target) ?? this.#former.get(target)
  }

  /** nginx was started anew, and its pool is empty. */
  forget(): boolean {
    const before = this.#pooled
    this.#round = undefined
    this.#possible = undefined
    this.#isAssumed = false
    this.#set(new Set())
    return before !== this.#pooled
  }

  #set(pooled: Set<string>): void {
    const isSame =
      pooled.size === this.#pooled.size && [...pooled].every((sid) => this.#pooled.has(sid))
    this.#pooled = isSame ? this.#pooled : pooled
  }
}
