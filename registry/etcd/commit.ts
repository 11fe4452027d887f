/**
 * One commit as one etcd transaction. Etcd takes 128 operations on a level (--max-txn-ops), less
 * what the level above has. So a commit is a tree: up to 64 leaves of up to 64 operations. A leaf
 * whose condition fails must stop the others, too, and etcd knows no abort. But it checks every
 * read of the branches that it will take before it writes anything. So the failure branch reads at
 * a revision that cannot be, and etcd refuses the whole transaction.
 */
import type { Etcd3, ICompare, IRequestOp, ITxnRequest } from 'etcd3'
import { SluiceError } from '../../runtime/errors.js'
import type { RegistryOperation } from '../registry.js'

const LEAF = 64
/** Operations in one commit to etcd. */
export const MOST_ETCD_OPERATIONS = LEAF * LEAF
const NEVER = '9223372036854775807'

/** Throws `too_large` above {@link MOST_ETCD_OPERATIONS}. */
export function toTransaction(root: string, operations: readonly RegistryOperation[]): ITxnRequest {
  if (operations.length > MOST_ETCD_OPERATIONS) {
    const message = `one commit to etcd takes at most ${MOST_ETCD_OPERATIONS} operations, not ${operations.length}`
    throw new SluiceError('too_large', message)
  }
  const leaves: ITxnRequest[] = []
  for (let i = 0; i < operations.length; i += LEAF) {
    leaves.push(toLeaf(root, operations.slice(i, i + LEAF)))
  }
  const [only] = leaves
  if (leaves.length === 1 && only !== undefined) {
    return only
  }
  return { compare: [], success: leaves.map((leaf) => ({ request_txn: leaf })), failure: [] }
}

function toLeaf(root: string, operations: RegistryOperation[]): ITxnRequest {
  const compare = operations.flatMap((operation) => toCompare(root, operation))
  const guard: IRequestOp = { request_range: { key: Buffer.from(root), revision: NEVER } }
  return {
    compare,
    success: operations.map((operation) => toRequest(root, operation)),
    failure: compare.length === 0 ? [] : [guard],
  }
}

function toCompare(root: string, { key, ifRevision }: RegistryOperation): ICompare[] {
  if (ifRevision === undefined) {
    return []
  }
  // A key that is not there compares as revision 0.
  const target = { target: 'Mod', result: 'Equal', mod_revision: String(ifRevision) } as const
  return [{ key: Buffer.from(root + key), ...target }]
}

function toRequest(root: string, operation: RegistryOperation): IRequestOp {
  const key = Buffer.from(root + operation.key)
  if (operation.type === 'delete') {
    return { request_delete_range: { key } }
  }
  const value = Buffer.from(operation.value)
  const lease = operation.lease === undefined ? {} : { lease: operation.lease }
  return { request_put: { key, value, ...lease } }
}

/** The key whose condition does not hold: asked for after a refusal, because etcd does not say. */
export async function findChanged(
  client: Etcd3,
  root: string,
  operations: readonly RegistryOperation[],
): Promise<string> {
  const conditions = operations.filter(({ ifRevision }) => ifRevision !== undefined)
  for (let i = 0; i < conditions.length; i += LEAF) {
    const asked = conditions.slice(i, i + LEAF)
    const success = asked.map(({ key }) => ({
      request_range: { key: Buffer.from(root + key), keys_only: true },
    }))
    const { responses } = await client.kv.txn({ compare: [], success, failure: [] })
    const changed = asked.find(({ ifRevision }, at) => {
      const [kv] = responses[at]?.response_range.kvs ?? []
      return Number(kv?.mod_revision ?? 0) !== ifRevision
    })
    if (changed !== undefined) {
      return changed.key
    }
  }
  // It changed, and in the meantime back (deleted once more): any of them may have been it.
  return conditions[0]?.key ?? ''
}
