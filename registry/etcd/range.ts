/** Reads a listing of etcd, page by page, and where the store stands. */
import type { Etcd3, IKeyValue, IResponseHeader } from 'etcd3'
import type { RegistryEntry, Listing, Lookup } from '../registry.js'

/** Where a store stands, as each of its answers says. */
export interface Standing {
  clusterId: string
  revision: number
  term: number
}

export interface EtcdListing extends Listing {
  /** Keys that stand under a lease. */
  leased: ReadonlySet<string>
  standing: Standing
}

const PAGE = 1000

export function standingOf(header: IResponseHeader): Standing {
  return {
    clusterId: header.cluster_id,
    revision: Number(header.revision),
    term: Number(header.raft_term),
  }
}

/** `[prefix, end)` as etcd wants it. */
export function rangeOf(prefix: string): { key: Buffer; range_end: Buffer } {
  const end = Buffer.from(prefix)
  // Keys are ASCII, so the last byte can always be one more.
  end[end.length - 1] = (end[end.length - 1] as number) + 1
  return { key: Buffer.from(prefix), range_end: end }
}

/** All keys under `root + prefix`, without the root, at the one revision of the first page. */
export async function readRange(client: Etcd3, root: string, prefix: string): Promise<EtcdListing> {
  const { key, range_end } = rangeOf(root + prefix)
  const entries: RegistryEntry[] = []
  const leased = new Set<string>()
  let standing: Standing | undefined
  let from = key
  for (;;) {
    const pinned = standing === undefined ? {} : { revision: standing.revision }
    const page = await client.kv.range({ key: from, range_end, limit: PAGE, ...pinned })
    standing ??= standingOf(page.header)
    for (const kv of page.kvs) {
      const entry = entryOf(kv, root)
      entries.push(entry)
      if (hasLease(kv)) {
        leased.add(entry.key)
      }
    }
    const last = page.kvs.at(-1)
    if (!page.more || last === undefined) {
      return { revision: standing.revision, entries, leased, standing }
    }
    from = Buffer.concat([last.key, Buffer.from([0])])
  }
}

/** The one key `root + key`, without the root. */
export async function readKey(client: Etcd3, root: string, key: string): Promise<Lookup> {
  const { header, kvs } = await client.kv.range({ key: Buffer.from(root + key) })
  const [kv] = kvs
  return { revision: Number(header.revision), entry: kv && entryOf(kv, root) }
}

export function hasLease(kv: IKeyValue): boolean {
  return Number(kv.lease) !== 0
}

export function entryOf(kv: IKeyValue, root: string): RegistryEntry {
  return {
    key: kv.key.toString().slice(root.length),
    value: kv.value.toString(),
    revision: Number(kv.mod_revision),
  }
}
