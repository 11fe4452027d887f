/**
 * The pool's members by the shard that nginx looks for them in, and those of the other pools,
 * each with names of its own. Pure.
 */
import { KeptWays } from './kept-ways.js'
import type { KeptMember, KeptSituation } from './kept-ways.js'
import { POOL_DOMAIN, PoolProgress, selectMembers } from './pool.js'
import type { Member } from './pool.js'

const SERVICE = /^_http\._tcp\.([gkp])(\d{1,2})\.pool\.sluice$/
const TARGET = /^h[0-9a-f]{12}\.([gkp])(\d{1,2})\.pool\.sluice$/

const M = 0x5bd1e995

/** MurmurHash2, by which nginx's `split_clients` chooses. */
function murmur(text: string): number {
  const data = Buffer.from(text)
  let hash = data.length
  let at = 0
  for (; data.length - at >= 4; at += 4) {
    const word = Math.imul(data.readUInt32LE(at), M)
    hash = Math.imul(hash, M) ^ Math.imul(word ^ (word >>> 24), M)
  }
  for (let i = data.length - at - 1; i >= 0; i--) {
    hash ^= (data[at + i] ?? 0) << (8 * i)
  }
  if (at < data.length) {
    hash = Math.imul(hash, M)
  }
  hash = Math.imul(hash ^ (hash >>> 13), M)
  return (hash ^ (hash >>> 15)) >>> 0
}

/** What nginx writes for `<percent>% <part>` lines of equal percents, and `*` for the last. */
export function shardOf(sid: string, shards: number): number {
  const hash = murmur(sid)
  for (let shard = 0; shard < shards - 1; shard++) {
    const upTo = Math.floor((Math.floor((10_000 / shards) * (shard + 1)) * 0xffffffff) / 10_000)
    if (hash < upTo) {
      return shard
    }
  }
  return shards - 1
}

export class PoolParts {
  readonly #parts: PoolProgress[]
  readonly #kept = new PoolProgress(`k0.${POOL_DOMAIN}`)
  readonly #grpc = new PoolProgress(`g0.${POOL_DOMAIN}`)
  readonly #ways = new KeptWays()
  #keptMembers: ReadonlyMap<string, string> = new Map()
  #keptPooled: ReadonlySet<string> = new Set()
  #keptWays: ReadonlyMap<string, string> = new Map()
  #united: ReadonlyArray<ReadonlySet<string>> = []
  #pooled: ReadonlySet<string> = new Set()

  constructor(shards: number) {
    this.#parts = Array.from(
      { length: shards },
      (_, shard) => new PoolProgress(`p${shard}.${POOL_DOMAIN}`),
    )
  }

  /** SIDs that nginx surely has. The same object until it changes. */
  get pooled(): ReadonlySet<string> {
    const now = this.#parts.map(({ pooled }) => pooled)
    if (now.some((pooled, part) => pooled !== this.#united[part])) {
      this.#united = now
      const all = new Set(now.flatMap((pooled) => [...pooled]))
      const isSame =
        all.size === this.#pooled.size && [...all].every((sid) => this.#pooled.has(sid))
      this.#pooled = isSame ? this.#pooled : all
    }
    return this.#pooled
  }

  setMembers(candidates: Iterable<Member>): void {
    const byPart = this.#parts.map((): Member[] => [])
    for (const member of candidates) {
      byPart[shardOf(member.sid, byPart.length)]?.push(member)
    }
    this.#parts.forEach((part, i) => part.setMembers(selectMembers(byPart[i] ?? [])))
  }

  /** SIDs that nginx's kept pool surely has, and their ways. The same object until it changes. */
  get kept(): ReadonlyMap<string, string> {
    const { pooled } = this.#kept
    if (pooled !== this.#keptPooled) {
      this.#keptPooled = pooled
      this.#keptWays = new Map(
        [...pooled].map((sid): [string, string] => [sid, this.#keptMembers.get(sid) ?? '']),
      )
    }
    return this.#keptWays
  }

  /** SIDs that nginx's pool for gRPC surely has. The same object until it changes. */
  get grpc(): ReadonlySet<string> {
    return this.#grpc.pooled
  }

  setGrpc(candidates: Iterable<Member>): void {
    this.#grpc.setMembers(selectMembers(candidates))
  }

  /** Whether time alone may let more into the kept pool. */
  get isWaiting(): boolean {
    return this.#ways.isWaiting
  }

  setKept(candidates: readonly KeptMember[], now: Omit<KeptSituation, 'mayHave'>): void {
    const mayHave = (sid: string): boolean => this.#kept.mayHave(sid)
    const members = this.#ways.select(candidates, { ...now, mayHave })
    const chosen = selectMembers(members)
    const ways = new Map(members.map(({ sid, way }) => [sid, way]))
    this.#keptMembers = new Map(chosen.map(({ sid }) => [sid, ways.get(sid) ?? '']))
    this.#kept.setMembers(chosen)
  }

  /** Somebody else may have answered nginx. */
  doubt(): void {
    this.#ways.doubt()
  }

  assume(): void {
    this.#parts.forEach((part) => part.assume())
  }

  isAssumed(sid: string): boolean {
    return this.#parts[shardOf(sid, this.#parts.length)]?.isAssumed(sid) === true
  }

  /** nginx was started anew. */
  forget(): void {
    this.#kept.forget()
    this.#grpc.forget()
    this.#ways.forget()
    this.#parts.forEach((part) => part.forget())
  }

  /** The part whose service has this name. */
  ofService(name: string): PoolProgress | undefined {
    return this.#named(SERVICE.exec(name))
  }

  /** The part that a target with this name would be of. */
  ofTarget(name: string): PoolProgress | undefined {
    return this.#named(TARGET.exec(name))
  }

  #named(match: RegExpExecArray | null): PoolProgress | undefined {
    const [, letter, digits] = match ?? []
    const parts = letter === 'p' ? this.#parts : letter === 'k' ? [this.#kept] : [this.#grpc]
    return parts[Number(digits ?? NaN)]
  }
}
