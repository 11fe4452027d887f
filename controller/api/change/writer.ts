/**
 * Writes a draft: the operation and the lease of each change, and what to do when it is refused.
 */
import { isLeased, markGone, recordIn } from '../../../contract/record/gone-mark.js'
import type { Lease, RegistryOperation } from '../../../registry/registry.js'
import { SluiceError } from '../../../runtime/errors.js'
import type { ControllerForApi } from '../../controller-for-api.js'
import type { Write } from './draft.js'
import { InstanceLeases, quietly } from './instance-leases.js'

/**
 * The lease that a key is put under; `fresh` when it was granted for this and holds nothing yet.
 */
interface Bound {
  lease: Lease
  ttlMs: number
  fresh: boolean
}

type Bindings = Map<string, Bound>

/** How long a mark that a deletion is on purpose may outlive the one who made it. */
const GONE_TTL_MS = 10_000
const PARALLEL_GRANTS = 64

export class Writer {
  readonly #control: Pick<ControllerForApi, 'registry' | 'settings'>
  readonly #leases: InstanceLeases

  constructor(control: Pick<ControllerForApi, 'registry' | 'settings'>) {
    this.#control = control
    this.#leases = new InstanceLeases(control.registry)
  }

  /**
   * The revision written, or undefined when the registry says it all already. Rejects with
   * `changed` when what the draft was made from is not there any more.
   */
  async write(writes: Write[]): Promise<number | undefined> {
    const bindings: Bindings = new Map()
    const operations = await this.#operations(writes, bindings)
    if (operations.length === 0) {
      return undefined
    }
    const { revision } = await this.#commitOrRevoke(operations, bindings)
    for (const { key } of operations) {
      const bound = bindings.get(key)
      if (bound === undefined) {
        this.#leases.forget(key)
      } else {
        this.#leases.hold(key, bound.lease, bound.ttlMs, revision)
      }
    }
    return this.#finishDeletions(writes, operations, revision)
  }

  async #commitOrRevoke(
    operations: RegistryOperation[],
    bindings: Bindings,
  ): Promise<{ revision: number }> {
    try {
      return await this.#control.registry.commit(operations)
    } catch (error) {
      const refused = error instanceof SluiceError && error.code === 'changed'
      for (const { lease } of [...bindings.values()].filter(({ fresh }) => fresh)) {
        // Where it is not known whether it happened, the keys may stand under these leases: they
        // end by themselves.
        void quietly(refused ? lease.revoke() : lease.release())
      }
      throw error
    }
  }

  async #operations(writes: Write[], bindings: Bindings): Promise<RegistryOperation[]> {
    const operations: RegistryOperation[] = []
    for (let at = 0; at < writes.length; at += PARALLEL_GRANTS) {
      const some = writes.slice(at, at + PARALLEL_GRANTS)
      const done = await Promise.all(some.map((write) => this.#operation(write, bindings)))
      operations.push(...done.filter((operation) => operation !== undefined))
    }
    return operations
  }

  async #operation(write: Write, bindings: Bindings): Promise<RegistryOperation | undefined> {
    const { key, base, text: value, ttlMs } = write
    const ifRevision = base?.revision ?? 0
    const same = value === base?.value
    if (ttlMs !== undefined && value !== undefined) {
      const renewed = await this.#leases.renewed(key, ttlMs, ifRevision)
      if (renewed !== undefined && same) {
        return undefined
      }
      const lease = renewed ?? (await this.#leases.grant(ttlMs))
      bindings.set(key, { lease, ttlMs, fresh: renewed === undefined })
      return { type: 'put', key, value, lease: lease.id, ifRevision }
    }
    if (same) {
      return undefined
    }
    if (value !== undefined) {
      return { type: 'put', key, value, ifRevision }
    }
    return this.#needsMark(write)
      ? this.#mark(write, bindings)
      : { type: 'delete', key, ifRevision }
  }

  /** Only a registry that does not report why a leased key went needs the mark. */
  #needsMark({ key, base }: Write): boolean {
    const embedded = this.#control.settings.registry === 'embedded'
    return !embedded && key.startsWith('instances/') && isLeased(recordIn(base?.value ?? ''))
  }

  /**
   * The deletion takes effect with the mark. What then remains to be deleted goes with this short
   * lease at the latest.
   */
  async #mark({ key, base }: Write, bindings: Bindings): Promise<RegistryOperation> {
    const lease = await this.#leases.grant(GONE_TTL_MS)
    bindings.set(key, { lease, ttlMs: GONE_TTL_MS, fresh: true })
    const value = JSON.stringify(markGone(recordIn(base?.value ?? '')))
    return { type: 'put', key, value, lease: lease.id, ifRevision: base?.revision ?? 0 }
  }

  async #finishDeletions(
    writes: Write[],
    operations: RegistryOperation[],
    revision: number,
  ): Promise<number> {
    const puts = new Set(operations.flatMap(({ type, key }) => (type === 'put' ? [key] : [])))
    const marked = writes.filter(({ key, record }) => record === undefined && puts.has(key))
    if (marked.length === 0) {
      return revision
    }
    marked.forEach(({ key }) => this.#leases.forget(key))
    try {
      const deletes = marked.map(({ key }) => ({
        type: 'delete' as const,
        key,
        ifRevision: revision,
      }))
      return (await this.#control.registry.commit(deletes)).revision
    } catch {
      // Registered anew in between, or the registry is away: the mark counts, and its lease ends.
      return revision
    }
  }
}
