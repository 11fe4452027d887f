/** Calls about one instance: what they write, and how an instance is shown. */
import { printAddress } from '../../../contract/guard/address.js'
import { checkInstance, checkOverride } from '../../../contract/record/records.js'
import type { InstanceRecord, OverrideRecord } from '../../../contract/record/records.js'
import { SluiceError } from '../../../runtime/errors.js'
import { isOwnAddress } from '../../own-addresses.js'
import type { Condition } from '../../state/conditions.js'
import { instanceState } from '../../state/desired.js'
import type { DesiredInstance } from '../../state/desired.js'
import { requireValid, fieldsOf, mergePatch, refuseBody } from './bodies.js'
import type { Outcome } from './call.js'
import type { World } from './call.js'
import { isGone } from './draft.js'
import type { Draft } from './draft.js'
import { instanceKey, overrideKey, printTarget } from './targets.js'

export interface InstanceTarget {
  kind: 'instance' | 'drain' | 'undrain'
  upstream: string
  id: string
}

/** What a caller may say of an instance; the record's other fields are the agent's. */
const FIELDS = 'host port weight maxConns backup zone metadata ttlMs'.split(' ')

/**
 * An instance as the registry has it. `there` without a record: what is stored there is no
 * instance.
 */
export interface StoredInstance {
  there: boolean
  record: InstanceRecord | undefined
  override: OverrideRecord | undefined
}

export async function putInstance(
  draft: Draft,
  world: World,
  target: InstanceTarget,
  body: unknown,
): Promise<Outcome> {
  const stored = await storedInstance(draft, world, target)
  return write(draft, world, target, stored, fieldsOf(body, FIELDS))
}

export async function patchInstance(
  draft: Draft,
  world: World,
  target: InstanceTarget,
  body: unknown,
): Promise<Outcome> {
  const patch = fieldsOf(body, FIELDS)
  const stored = await storedInstance(draft, world, target)
  if (!stored.there) {
    throw new SluiceError('not_found', `there is no ${printTarget(target)}`)
  }
  if (stored.record === undefined) {
    throw new SluiceError(
      'conflict',
      `what is stored as ${printTarget(target)} is not valid; PUT it`,
    )
  }
  const known = Object.entries(stored.record).filter(([field]) => isOurs(field))
  return write(draft, world, target, stored, mergePatch(Object.fromEntries(known), patch))
}

export async function deleteInstance(
  draft: Draft,
  world: World,
  target: InstanceTarget,
  body: unknown,
): Promise<Outcome> {
  refuseBody(body)
  const value = await draft.read(instanceKey(target))
  if (value === undefined && suspectRecord(world, target) !== undefined) {
    const what = `the registration of ${printTarget(target)} was lost, which is not believed yet`
    throw new SluiceError('conflict', `${what}; confirm it with POST /v1/suspects/confirm`)
  }
  if (value === undefined || isGone(value)) {
    throw new SluiceError('not_found', `there is no ${printTarget(target)}`)
  }
  await draft.delete(instanceKey(target))
  return { created: false, shown: {} }
}

export async function storedInstance(
  draft: Draft,
  world: World,
  target: InstanceTarget,
): Promise<StoredInstance> {
  const [value, override] = await Promise.all([
    draft.read(instanceKey(target)),
    draft.read(overrideKey(target)),
  ])
  const decided = override === undefined ? undefined : checkOverride(override)
  const kept = { override: decided?.ok === true ? decided.value : undefined }
  if (value === undefined) {
    const record = suspectRecord(world, target)
    return { ...kept, there: record !== undefined, record }
  }
  const there = !isGone(value)
  const checked = there ? checkInstance(value, world.settings) : undefined
  return { ...kept, there, record: checked?.ok === true ? checked.value : undefined }
}

/**
 * An instance whose registration was lost, where the loss is not believed. It serves on, so it can
 * be drained or put again.
 */
function suspectRecord(world: World, { upstream, id }: InstanceTarget): InstanceRecord | undefined {
  // Mostly there are no suspects, and then nothing has to be looked up.
  const held = world
    .suspects()
    .some((one) => one.upstream === upstream && one.instances.includes(id))
  return held ? world.desired().upstreams.get(upstream)?.instances.get(id)?.record : undefined
}

/**
 * `{id, host, port, weight, state, reason?, maxConns?, backup?, zone?, metadata?, ttlMs?, agent?}`;
 * `condition` is what the own gateway knows of it.
 */
export function showInstance(
  instance: DesiredInstance,
  condition?: Condition,
): Record<string, unknown> {
  const { host, port, weight, maxConns, backup, zone, metadata, ttlMs, agent } = instance.record
  return {
    id: instance.id,
    host,
    port,
    weight,
    ...instanceState(instance, condition),
    ...(maxConns !== undefined && { maxConns }),
    ...(backup !== undefined && { backup }),
    ...(zone !== undefined && { zone }),
    ...(metadata !== undefined && { metadata }),
    ...(ttlMs !== undefined && { ttlMs }),
    ...(agent !== undefined && { agent }),
  }
}

/** As it will be once the draft is written. */
export function planned(
  target: InstanceTarget,
  record: InstanceRecord,
  override: OverrideRecord | undefined,
): DesiredInstance {
  return { id: target.id, record, override, suspect: undefined, revision: 0 }
}

async function write(
  draft: Draft,
  world: World,
  target: InstanceTarget,
  stored: StoredInstance,
  fields: Record<string, unknown>,
): Promise<Outcome> {
  const agent = stored.record?.agent
  if (agent !== undefined) {
    // It stands under the agent's lease, which a put from here would end, and the agent would undo
    // it anyway.
    const what = `${printTarget(target)} belongs to agent ${agent}: change its labels, or drain it`
    throw new SluiceError('conflict', what)
  }
  const record = requireValid(checkInstance(fields, world.settings), fields)
  refuseOwnAddress(record, world.ownAddresses())
  const { check } = world.desired().upstreams.get(target.upstream)?.policy ?? {}
  refuseOwnCheck(world, check?.port, record.host)
  await draft.put(instanceKey(target), record, record.ttlMs)
  const shown = showInstance(planned(target, record, stored.override))
  return { created: !stored.there, shown }
}

/** A request that Sluice sent to itself would come back for ever. */
function refuseOwnAddress({ host, port }: InstanceRecord, own: ReadonlySet<string>): void {
  if (isOwnAddress(own, host, port)) {
    const what = `${printAddress(host, port)} is an address that Sluice itself listens on`
    throw new SluiceError('invalid', what, { field: 'port' })
  }
}

/**
 * A health check of Sluice by Sluice says nothing of an instance. What a batch hides from this
 * guard, the checker leaves out.
 */
export function refuseOwnCheck(
  { ownAddresses }: Pick<World, 'ownAddresses'>,
  port: number | undefined,
  host: string,
): void {
  if (port !== undefined && isOwnAddress(ownAddresses(), host, port)) {
    const what = `policy.check.port ${port}: ${printAddress(host, port)} is an address that Sluice itself listens on`
    throw new SluiceError('invalid', what, { field: 'policy.check.port' })
  }
}

function isOurs(field: string): boolean {
  return FIELDS.includes(field)
}
