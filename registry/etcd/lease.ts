/** Leases of etcd, each kept alive by one short exchange at a time. */
import type { Etcd3, ILeaseKeepAliveResponse } from 'etcd3'
import { withTimeLimit } from '../../runtime/retry.js'
import { DEADLINE_MS } from './client.js'
import type { EtcdConnection } from './connection.js'
import { isLeaseGone } from './errors.js'
import { leaseGone } from '../operations.js'
import type { LeaseOptions } from '../registry.js'
import { RemoteLease } from '../remote-lease.js'

/** Etcd counts in whole seconds, and takes no less than about two. */
export async function grantLease(
  connection: EtcdConnection,
  { ttlMs, keepAlive = true }: LeaseOptions,
): Promise<RemoteLease> {
  const TTL = Math.max(1, Math.ceil(ttlMs / 1000))
  const granted = await connection.call((client) => client.leaseClient.leaseGrant({ TTL }))
  return holdLease(connection, granted.ID, Number(granted.TTL) * 1000, keepAlive)
}

/** Rejects with `not_found`. The time to live stays what it was granted with. */
export async function adoptLease(
  connection: EtcdConnection,
  id: string,
  { keepAlive = true }: LeaseOptions,
): Promise<RemoteLease> {
  if (!/^\d{1,19}$/.test(id)) {
    throw leaseGone(id)
  }
  return holdLease(connection, id, await renewLease(connection, id), keepAlive)
}

function holdLease(
  connection: EtcdConnection,
  id: string,
  ttlMs: number,
  keepAlive: boolean,
): RemoteLease {
  return new RemoteLease({
    id,
    ttlMs,
    keepAlive,
    closing: connection.closing,
    renew: async () => {
      await renewLease(connection, id)
    },
    remainingMs: () => remainingMs(connection, id),
    revoke: () => revokeLease(connection, id),
  })
}

/** The milliseconds that it lives from now. Rejects with `not_found` or `registry_unavailable`. */
async function renewLease(connection: EtcdConnection, id: string): Promise<number> {
  const answer = await connection.call((client) => exchange(client, id))
  const seconds = Number(answer.TTL)
  if (seconds <= 0) {
    throw leaseGone(id)
  }
  return seconds * 1000
}

async function remainingMs(connection: EtcdConnection, id: string): Promise<number> {
  const ask = (client: Etcd3) => client.leaseClient.leaseTimeToLive({ ID: id })
  const seconds = Number((await connection.call(ask)).TTL)
  if (seconds < 0) {
    throw leaseGone(id)
  }
  return seconds * 1000
}

async function revokeLease(connection: EtcdConnection, id: string): Promise<void> {
  await connection.call(async (client) => {
    try {
      await client.leaseClient.leaseRevoke({ ID: id })
    } catch (error) {
      if (!isLeaseGone(error)) {
        throw error
      }
    }
  })
}

async function exchange(client: Etcd3, id: string): Promise<ILeaseKeepAliveResponse> {
  const stream = await client.leaseClient.leaseKeepAlive()
  const answer = new Promise<ILeaseKeepAliveResponse>((resolve, reject) => {
    stream.on('data', resolve)
    stream.on('error', reject)
    stream.on('end', () => reject(new Error('etcd ended the exchange')))
  })
  stream.write({ ID: id })
  try {
    return await withTimeLimit(
      DEADLINE_MS,
      answer,
      () => new Error('the lease was not renewed in time'),
    )
  } finally {
    // Whatever comes when nobody waits any more is of no interest.
    answer.catch(() => undefined)
    // Ended first: etcd3 takes a cancel of a writable stream for a failure of the host.
    stream.end()
    stream.cancel()
  }
}
