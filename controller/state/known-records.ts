/** The records that were let in, and the {@link Desired} made of them. */
import { printKey } from '../../contract/keys.js'
import { isLeased } from '../../contract/record/gone-mark.js'
import { DEFAULT_POLICY } from '../../contract/record/policy.js'
import type { InstanceRecord } from '../../contract/record/instance-record.js'
import type { UpstreamRecord } from '../../contract/record/upstream-record.js'
import { leaseOf } from './lost-leases.js'
import type { Admitted } from './read-record.js'
import type { Desired, DesiredCertificate, DesiredInstance, DesiredUpstream } from './desired.js'

/** A record, with the text that it was read from. */
export type KnownRecord = Admitted & { text: string; revision: number }
export type KnownInstance = Extract<KnownRecord, { kind: 'instances' }>
type KnownOverride = Extract<KnownRecord, { kind: 'overrides' }>
type KnownAlone = Extract<KnownRecord, { kind: 'routes' | 'certificates' }>
type KnownUpstream = Extract<KnownRecord, { kind: 'upstreams' }>

const UNSET: UpstreamRecord = { policy: DEFAULT_POLICY }

/** An instance that no record stands for: a name of DNS answers it. */
export interface ResolvedInstance {
  record: InstanceRecord
  /** The name. */
  dns: string
}

interface Parts {
  own: KnownUpstream | undefined
  instances: Map<string, KnownInstance>
  overrides: Map<string, KnownOverride>
  resolved: ReadonlyMap<string, ResolvedInstance>
  /** Revision of what was removed last: it is a change of the upstream too. */
  removed: number
}

/** Whether it is no part of an upstream. */
function isAlone(kept: KnownRecord): kept is KnownAlone {
  return kept.kind === 'routes' || kept.kind === 'certificates'
}

function noParts(): Parts {
  return {
    own: undefined,
    instances: new Map(),
    overrides: new Map(),
    resolved: new Map(),
    removed: 0,
  }
}

type Routes = Pick<Desired, 'routes' | 'streamRoutes'>

function routesOf({ routes, streamRoutes }: Desired): Routes {
  return { routes, streamRoutes }
}

/** Undefined, too, where the upstream has no names any more. */
function resolvedInstance(parts: Parts, id: string): DesiredInstance | undefined {
  const { own, resolved, overrides } = parts
  const found = own?.record.dns === undefined ? undefined : resolved.get(id)
  if (own === undefined || found === undefined) {
    return undefined
  }
  const override = overrides.get(id)
  const revision = Math.max(own.revision, override?.revision ?? 0)
  return { id, ...found, override: override?.record, suspect: undefined, revision }
}

/** What it hands out is never changed in place; what did not change is the same object again. */
export class KnownRecords {
  readonly #known = new Map<string, KnownRecord>()
  readonly #parts = new Map<string, Parts>()
  readonly #suspect = new Map<string, string>()
  /** How many instances stand under each lease. */
  readonly #leases = new Map<string, number>()
  readonly #touched = new Set<string>()
  /** Ids of routes and certificates, likewise. */
  readonly #touchedAlone = { routes: new Set<string>(), certificates: new Set<string>() }
  #desired: Desired = {
    revision: 0,
    upstreams: new Map(),
    routes: new Map(),
    streamRoutes: new Map(),
    certificates: new Map(),
  }

  get(key: string): KnownRecord | undefined {
    return this.#known.get(key)
  }

  keys(): string[] {
    return [...this.#known.keys()]
  }

  /** How many instances an upstream has. */
  count(upstream: string): number {
    return this.#parts.get(upstream)?.instances.size ?? 0
  }

  /** How many leases instances stand under. */
  get leases(): number {
    return this.#leases.size
  }

  put(kept: KnownRecord): void {
    const key = printKey(kept)
    this.#countLease(key, this.#known.get(key), -1)
    this.#countLease(key, kept, 1)
    this.#known.set(key, kept)
    this.#suspect.delete(key)
    if (isAlone(kept)) {
      this.#touchedAlone[kept.kind].add(kept.id)
      return
    }
    const parts = this.#parts.get(kept.upstream) ?? noParts()
    this.#parts.set(kept.upstream, parts)
    this.#touched.add(kept.upstream)
    if (kept.kind === 'upstreams') {
      parts.own = kept
    } else if (kept.kind === 'instances') {
      parts.instances.set(kept.id, kept)
    } else {
      parts.overrides.set(kept.id, kept)
    }
  }

  /** What was there, or undefined. `revision` is of the removal. */
  remove(key: string, revision: number): KnownRecord | undefined {
    const kept = this.#known.get(key)
    this.#countLease(key, kept, -1)
    this.#known.delete(key)
    this.#suspect.delete(key)
    if (kept !== undefined && isAlone(kept)) {
      this.#touchedAlone[kept.kind].add(kept.id)
    } else if (kept !== undefined) {
      this.#removePart(kept, revision)
    }
    return kept
  }

  /** All that the names of an upstream answer now; dropped where it has no record. */
  resolve(upstream: string, resolved: ReadonlyMap<string, ResolvedInstance>): void {
    const parts = this.#parts.get(upstream)
    if (parts !== undefined) {
      parts.resolved = resolved
      this.#touched.add(upstream)
    }
  }

  /** Marks a record as serving on although its registration is lost. */
  suspect(key: string, reason: string): void {
    const kept = this.#known.get(key)
    this.#suspect.set(key, reason)
    if (kept !== undefined && !isAlone(kept)) {
      this.#touched.add(kept.upstream)
    }
  }

  instance(upstream: string, id: string): DesiredInstance | undefined {
    const parts = this.#parts.get(upstream)
    const kept = parts?.instances.get(id)
    if (parts === undefined) {
      return undefined
    }
    return kept === undefined ? resolvedInstance(parts, id) : this.#buildInstance(parts, kept)
  }

  desired(revision: number): Desired {
    const last = this.#desired
    const { routes, certificates } = this.#touchedAlone
    const isTouched = this.#touched.size + routes.size + certificates.size > 0
    if (isTouched || revision !== last.revision) {
      this.#desired = {
        revision,
        upstreams: this.#touched.size > 0 ? this.#buildUpstreams() : last.upstreams,
        ...(routes.size > 0 ? this.#buildRoutes(routes) : routesOf(last)),
        certificates: certificates.size > 0 ? this.#buildCertificates() : last.certificates,
      }
      this.#touched.clear()
      routes.clear()
      certificates.clear()
    }
    return this.#desired
  }

  #countLease(key: string, kept: KnownRecord | undefined, by: number): void {
    if (kept?.kind !== 'instances' || !isLeased(kept.record)) {
      return
    }
    const lease = leaseOf(key, kept.record)
    const count = (this.#leases.get(lease) ?? 0) + by
    if (count === 0) {
      this.#leases.delete(lease)
    } else {
      this.#leases.set(lease, count)
    }
  }

  #removePart(kept: Exclude<KnownRecord, KnownAlone>, revision: number): void {
    const parts = this.#parts.get(kept.upstream) ?? noParts()
    this.#touched.add(kept.upstream)
    parts.removed = Math.max(parts.removed, revision)
    if (kept.kind === 'upstreams') {
      parts.own = undefined
    } else if (kept.kind === 'instances') {
      parts.instances.delete(kept.id)
    } else {
      parts.overrides.delete(kept.id)
    }
    if (parts.own === undefined && parts.instances.size + parts.overrides.size === 0) {
      this.#parts.delete(kept.upstream)
    }
  }

  #buildInstance(parts: Parts, kept: KnownInstance): DesiredInstance {
    const override = parts.overrides.get(kept.id)
    return {
      id: kept.id,
      record: kept.record,
      override: override?.record,
      suspect: this.#suspect.get(printKey(kept)),
      revision: Math.max(kept.revision, override?.revision ?? 0),
    }
  }

  #buildUpstream(name: string, parts: Parts): DesiredUpstream {
    const instances = new Map<string, DesiredInstance>()
    let revision = Math.max(parts.own?.revision ?? 0, parts.removed)
    for (const [id, kept] of parts.instances) {
      const instance = this.#buildInstance(parts, kept)
      revision = Math.max(revision, instance.revision)
      instances.set(id, instance)
    }
    this.#addResolved(parts, instances)
    return { name, ...(parts.own?.record ?? UNSET), revision, instances }
  }

  /** What is registered by the same id stands before what a name answers. */
  #addResolved(parts: Parts, instances: Map<string, DesiredInstance>): void {
    for (const id of parts.resolved.keys()) {
      const instance = instances.has(id) ? undefined : resolvedInstance(parts, id)
      if (instance !== undefined) {
        instances.set(id, instance)
      }
    }
  }

  #buildUpstreams(): Desired['upstreams'] {
    const upstreams = new Map(this.#desired.upstreams)
    for (const name of this.#touched) {
      const parts = this.#parts.get(name)
      // Overrides alone are no upstream: they wait for their instances.
      if (parts === undefined || (parts.own === undefined && parts.instances.size === 0)) {
        upstreams.delete(name)
      } else {
        upstreams.set(name, this.#buildUpstream(name, parts))
      }
    }
    return upstreams
  }

  /** A route may change its kind; a kind that none of these had or has stays the same object. */
  #buildRoutes(ids: ReadonlySet<string>): Routes {
    const { routes: before, streamRoutes: streamBefore } = this.#desired
    const [routes, streamRoutes] = [new Map(before), new Map(streamBefore)]
    let [isNew, isStreamNew] = [false, false]
    for (const id of ids) {
      isNew = routes.delete(id) || isNew
      isStreamNew = streamRoutes.delete(id) || isStreamNew
      const kept = this.#known.get(printKey({ kind: 'routes', id }))
      if (kept?.kind === 'routes' && 'record' in kept) {
        routes.set(id, { id, record: kept.record, revision: kept.revision })
        isNew = true
      } else if (kept?.kind === 'routes') {
        streamRoutes.set(id, { id, record: kept.streamRecord, revision: kept.revision })
        isStreamNew = true
      }
    }
    return {
      routes: isNew ? routes : before,
      streamRoutes: isStreamNew ? streamRoutes : streamBefore,
    }
  }

  #buildCertificates(): Desired['certificates'] {
    const certificates = new Map<string, DesiredCertificate>()
    for (const kept of this.#known.values()) {
      if (kept.kind === 'certificates') {
        certificates.set(kept.id, { ...kept.record, id: kept.id, revision: kept.revision })
      }
    }
    return certificates
  }
}
