/** Calls about one instance: what they write, and how an instance is shown. */
import { printAddress } from '../../../contract/guard/address.js'
import { isObject } from '../../../contract/guard/guarded.js'
import { guardOverride } from '../../../contract/record/override-record.js'
import { guardInstance } from '../../../contract/record/instance-record.js'
import type { OverrideRecord } from '../../../contract/record/override-record.js'
import type { InstanceRecord } from '../../../contract/record/instance-record.js'
import { SluiceError } from '../../../runtime/errors.js'
import { isOwnAddress } from '../../own-addresses.js'
import type { Condition } from '../../state/conditions.js'
import { instanceState } from '../../state/desired.js'
import type { DesiredInstance } from '../../state/desired.js'
import { readKnown } from '../../state/known-fields.js'
import { requireValid, fieldsOf, patched, refuseBody, requireKnown } from './bodies.js'
import type { Patched } from './bodies.js'
import type { Outcome, World } from './change-call.js'
import { isLeaving } from './draft.js'
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
  /** As it is stored, and the fields of it that this version does not know. */
  value: object
  unknown: string[]
  override: OverrideRecord | undefined
}

export async function putInstance(
  draft: Draft,
  world: World,
  target: InstanceTarget,
  body: unknown,
): Promise<Outcome> {
  const stored = await storedInstance(draft, world, target)
  const fields = fieldsOf(body, FIELDS)
  refuseForeign(world, target, stored)
  const record = requireValid(guardInstance(fields, world.settings), fields)
  return write(draft, world, target, stored, { record, value: record, kept: [] })
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
  requireKnown(stored.record, target)
  const check = (value: unknown) => guardInstance(value, world.settings)
  refuseForeign(world, target, stored)
  return write(draft, world, target, stored, patched(stored.value, stored.unknown, patch, check))
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
    const what = `the registration of ${printTarget(target)} was lost, and it is kept in service as a suspect`
    throw new SluiceError(
      'conflict',
      `${what}; to take it out now: POST /v1/suspects/confirm, or sluice confirm`,
    )
  }
  if (value === undefined) {
    refuseResolved(world, target)
  }
  if (value === undefined || isLeaving(value)) {
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
  const decided = override === undefined ? undefined : readKnown(override, guardOverride)
  const kept = { override: decided?.ok === true ? decided.value.record : undefined }
  if (value === undefined) {
    const record = suspectRecord(world, target) ?? resolvedInstance(world, target)?.record
    return { ...kept, there: record !== undefined, record, value: record ?? {}, unknown: [] }
  }
  if (isLeaving(value)) {
    return { ...kept, there: false, record: undefined, value: {}, unknown: [] }
  }
  const read = readKnown(value, (known) => guardInstance(known, world.settings))
  const { record, unknown } = read.ok ? read.value : { record: undefined, unknown: [] }
  return { ...kept, there: true, record, value: isObject(value) ? value : {}, unknown }
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

/** One that a name of DNS answers: it can be drained, but no record of it can be changed. */
function resolvedInstance(
  world: World,
  { upstream, id }: InstanceTarget,
): DesiredInstance | undefined {
  const instance = world.desired().upstreams.get(upstream)?.instances.get(id)
  return instance?.dns === undefined ? undefined : instance
}

function refuseResolved(world: World, target: InstanceTarget): void {
  const { dns } = resolvedInstance(world, target) ?? {}
  if (dns !== undefined) {
    const what = `${printTarget(target)} comes from DNS (${dns}): change dns of the upstream, or drain it`
    throw new SluiceError('conflict', what)
  }
}

/**
 * `{id, host, port, weight, state, reason?, maxConns?, backup?, zone?, metadata?, ttlMs?, agent?,
 * dns?}`; `condition` is what the own gateway knows of it.
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
    ...(instance.dns !== undefined && { dns: instance.dns }),
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
  { record, value, kept }: Patched<InstanceRecord>,
): Promise<Outcome> {
  refuseOwnAddress(record, world.ownAddresses())
  const { check } = world.desired().upstreams.get(target.upstream)?.policy ?? {}
  refuseOwnCheck(world, check?.port, record.host)
  const { ttlMs } = record
  await draft.put(instanceKey(target), value, { kept, ...(ttlMs !== undefined && { ttlMs }) })
  const shown = showInstance(planned(target, record, stored.override))
  return { created: !stored.there, shown }
}

/**
 * It stands under its agent's lease, which a put from here would end, and the agent would undo it
 * anyway.
 */
function refuseForeign(world: World, target: InstanceTarget, { value }: StoredInstance): void {
  refuseResolved(world, target)
  const { agent } = value as { agent?: unknown }
  if (typeof agent === 'string') {
    const what = `${printTarget(target)} belongs to agent ${agent}: change its labels, or drain it`
    throw new SluiceError('conflict', what)
  }
}

/** A request that Sluice sent to itself would come back for ever. */
function refuseOwnAddress({ host, port }: InstanceRecord, ownAddresses: ReadonlySet<string>): void {
  if (isOwnAddress(ownAddresses, host, port)) {
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
