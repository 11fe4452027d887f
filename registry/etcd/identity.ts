/**
 * Whether etcd still holds the store that was known. Its cluster id does not show it: a member that
 * was wiped and set up as before has the same one. Its history does: a key, read at the revision at
 * which it was last seen, is there as it was. Otherwise that history never happened here.
 */
import { GRPCOutOfRangeError } from 'etcd3'
import type { Etcd3 } from 'etcd3'
import { entryOf } from './range.js'
import type { EtcdListing } from './range.js'
import type { RegistryEntry } from '../registry.js'

/** Entries asked for: some that are listed no more, and some of the newest. */
const SAMPLES = 3

/**
 * False when nothing can show it (all that was known is gone and compacted). Rejects when etcd is
 * away.
 */
export async function isSameStore(
  client: Etcd3,
  root: string,
  known: readonly RegistryEntry[],
  listing: EtcdListing,
): Promise<boolean> {
  if (known.length === 0) {
    return true
  }
  const listed = new Map(listing.entries.map((entry) => [entry.key, entry]))
  const missing = known.filter(({ key }) => !listed.has(key))
  const newest = [...known].sort((a, b) => b.revision - a.revision)
  const samples = [...missing.slice(0, SAMPLES), ...newest.slice(0, SAMPLES)]
  const seen = await Promise.all(samples.map((entry) => wasThere(client, root, entry)))
  if (seen.includes(false)) {
    return false
  }
  return seen.includes(true) || known.some((entry) => isEqual(entry, listed.get(entry.key)))
}

/** Undefined when that part of history was compacted. */
async function wasThere(
  client: Etcd3,
  root: string,
  entry: RegistryEntry,
): Promise<boolean | undefined> {
  const key = Buffer.from(root + entry.key)
  try {
    const { kvs } = await client.kv.range({ key, revision: entry.revision })
    const [kv] = kvs
    return kv !== undefined && isEqual(entry, entryOf(kv, root))
  } catch (error) {
    if (!(error instanceof GRPCOutOfRangeError)) {
      throw error
    }
    return /compacted/.test(error.message) ? undefined : false
  }
}

function isEqual(one: RegistryEntry, other: RegistryEntry | undefined): boolean {
  return one.revision === other?.revision && one.value === other.value
}
