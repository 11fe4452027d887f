/** Keys of an etcd that are not Sluice's own: followed by the registry's watch, never written. */
import type { Logger } from '../../runtime/logger.js'
import type { EtcdSettings } from '../../runtime/config/settings.js'
import { parseEtcdUrl } from './client.js'
import { EtcdConnection } from './connection.js'
import { readRange } from './range.js'
import { EtcdWatch } from './watch.js'
import type { Listing, Watch, WatchHandlers } from '../registry.js'

export interface EtcdKeysOptions {
  /** `etcd://host:2379[,host:2379]`, or `etcds://…` for TLS. */
  url: string
  /** What all keys begin with: `/services/`. Not empty, and of ASCII. */
  prefix: string
  settings: EtcdSettings
  log: Logger
  /** Between comparisons of everything watched; default a minute. */
  auditMs?: number
}

/** Keys are given without the prefix. */
export interface EtcdKeys {
  list(): Promise<Listing>
  watch(handlers: WatchHandlers): Watch
  /** Ends the connection; watches are closed before it. */
  close(): Promise<void>
}

const AUDIT_MS = 60_000

/** Throws `invalid` for a URL that is none. Whether etcd is there shows later. */
export function openEtcdKeys(options: EtcdKeysOptions): EtcdKeys {
  const { url, prefix: root, settings, log, auditMs = AUDIT_MS } = options
  const endpoints = parseEtcdUrl(url)
  const connection = new EtcdConnection({ endpoints, settings, probeKey: root, log })
  return {
    list: () => connection.call((client) => readRange(client, root, '')),
    watch: (handlers) =>
      new EtcdWatch({ connection, root, prefixes: [''], handlers, auditMs, log }),
    close: () => connection.close(),
  }
}
