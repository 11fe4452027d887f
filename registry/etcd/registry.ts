/** The registry of several machines: an etcd, or a cluster of them. */
import type { Etcd3, ITxnResponse } from 'etcd3'
import { clusterPrefix } from '../../contract/keys.js'
import type { Logger } from '../../runtime/logger.js'
import type { EtcdSettings } from '../../runtime/config/settings.js'
import { parseEtcdUrl } from './client.js'
import { findChanged, toTransaction } from './commit.js'
import { EtcdConnection } from './connection.js'
import { isGuard, isLeaseGone } from './errors.js'
import { adoptLease, grantLease } from './lease.js'
import { readKey, readRange } from './range.js'
import { EtcdWatch } from './watch.js'
import { changedError, leaseGone, refuseDoubles } from '../operations.js'
import type {
  Lease,
  LeaseOptions,
  Listing,
  Lookup,
  Registry,
  RegistryOperation,
  Watch,
  WatchHandlers,
} from '../registry.js'

export interface EtcdOptions {
  /** `etcd://host:2379[,host:2379]`, or `etcds://…` for TLS. */
  url: string
  cluster: string
  settings: EtcdSettings
  log: Logger
  /** Between comparisons of everything watched; default a minute. */
  auditMs?: number
}

const AUDIT_MS = 60_000

/**
 * Throws `invalid` for a URL that is none. Whether etcd is there shows later: it may start after
 * us.
 */
export function openEtcd(options: EtcdOptions): Registry {
  return new EtcdRegistry(options)
}

class EtcdRegistry implements Registry {
  readonly #options: EtcdOptions
  readonly #root: string
  readonly #connection: EtcdConnection
  readonly #watches = new Set<Watch>()

  constructor(options: EtcdOptions) {
    const { url, cluster, settings, log } = options
    this.#options = options
    this.#root = clusterPrefix(cluster)
    const endpoints = parseEtcdUrl(url)
    this.#connection = new EtcdConnection({ endpoints, settings, probeKey: this.#root, log })
  }

  async get(key: string): Promise<Lookup> {
    return this.#connection.call((client) => readKey(client, this.#root, key))
  }

  async list(prefix: string): Promise<Listing> {
    const read = (client: Etcd3) => readRange(client, this.#root, prefix)
    const { revision, entries } = await this.#connection.call(read)
    return { revision, entries }
  }

  async commit(operations: RegistryOperation[]): Promise<{ revision: number }> {
    refuseDoubles(operations)
    const transaction = toTransaction(this.#root, operations)
    const response = await this.#connection.call((client) =>
      client.kv.txn(transaction).catch((error: unknown): ITxnResponse | undefined => {
        if (isGuard(error)) {
          return undefined
        }
        if (isLeaseGone(error)) {
          throw leaseGone(leaseOf(operations))
        }
        throw error
      }),
    )
    if (response === undefined) {
      throw changedError(await this.#findChanged(operations))
    }
    return { revision: Number(response.header.revision) }
  }

  watch(prefixes: string[], handlers: WatchHandlers): Watch {
    const { log, auditMs = AUDIT_MS } = this.#options
    const [connection, root] = [this.#connection, this.#root]
    const watch = new EtcdWatch({ connection, root, prefixes, handlers, auditMs, log })
    this.#watches.add(watch)
    const close = async () => {
      this.#watches.delete(watch)
      await watch.close()
    }
    return { close }
  }

  writeProblem(): string | undefined {
    return this.#connection.writeProblem
  }

  async grant(options: LeaseOptions): Promise<Lease> {
    return grantLease(this.#connection, options)
  }

  async adopt(id: string, options: LeaseOptions): Promise<Lease> {
    return adoptLease(this.#connection, id, options)
  }

  async close(): Promise<void> {
    const watches = [...this.#watches].map((watch) => watch.close())
    await Promise.all([this.#connection.close(), ...watches])
  }

  #findChanged(operations: RegistryOperation[]): Promise<string> {
    return this.#connection.call((client) => findChanged(client, this.#root, operations))
  }
}

function leaseOf(operations: RegistryOperation[]): string {
  const leases = operations.map((operation) => (operation.type === 'put' ? operation.lease : ''))
  return [...new Set(leases)].filter(Boolean).join(' or ')
}
