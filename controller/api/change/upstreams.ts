/** Calls about an upstream and its policy. */
import { UPSTREAM_FIELDS, guardUpstream } from '../../../contract/record/upstream-record.js'
import type { DnsName } from '../../../contract/record/dns-name.js'
import type { InstanceProtocol, UpstreamRecord } from '../../../contract/record/upstream-record.js'
import { printKey } from '../../../contract/keys.js'
import type { PeerTls } from '../../../contract/record/peer-tls.js'
import type { Policy } from '../../../contract/record/policy.js'
import { SluiceError } from '../../../runtime/errors.js'
import type { InstanceConditions } from '../../state/conditions.js'
import { instanceState } from '../../state/desired.js'
import type { DesiredUpstream } from '../../state/desired.js'
import { readKnown } from '../../state/known-fields.js'
import { requireValid, fieldsOf, patched, refuseBody, requireKnown } from './bodies.js'
import type { Outcome, World } from './change-call.js'
import { isLeaving } from './draft.js'
import type { Draft } from './draft.js'
import { refuseOwnCheck } from './instances.js'
import { printTarget } from './targets.js'

export interface UpstreamTarget {
  kind: 'upstream'
  upstream: string
}

export async function putUpstream(
  draft: Draft,
  world: World,
  target: UpstreamTarget,
  body: unknown,
): Promise<Outcome> {
  const fields = fieldsOf(body, UPSTREAM_FIELDS)
  const record = requireValid(guardUpstream(fields), fields)
  const there = await isThere(draft, world, target)
  refuseOwnChecks(world, target, record)
  await draft.put(keyOf(target), record)
  return { created: !there, shown: { name: target.upstream, ...record } }
}

export async function patchUpstream(
  draft: Draft,
  world: World,
  target: UpstreamTarget,
  body: unknown,
): Promise<Outcome> {
  const patch = fieldsOf(body, UPSTREAM_FIELDS)
  if (!(await isThere(draft, world, target))) {
    throw new SluiceError('not_found', `there is no ${printTarget(target)}`)
  }
  const read = await draft.read(keyOf(target))
  const stored = read === undefined ? {} : read
  const known = readKnown(stored, guardUpstream)
  const before = requireKnown(known.ok ? known.value : undefined, target)
  const { policy } = stored as { policy?: Policy }
  const whole = {
    ...(stored as object),
    policy: withoutReplaced(policy ?? before.record.policy, patch.policy),
  }
  const { record, kept, value } = patched(whole, before.unknown, patch, guardUpstream)
  refuseOwnChecks(world, target, record)
  await draft.put(keyOf(target), value, { kept })
  return { created: false, shown: { name: target.upstream, ...record } }
}

/** A part that changes its kind keeps none of its fields: the new kind does not have them. */
function withoutReplaced(stored: Policy, patch: unknown): Partial<Policy> {
  const { hash, sticky, check, ...rest } = stored
  const asked = (patch ?? {}) as { [part in keyof Policy]?: Record<string, unknown> | null }
  const balance: unknown = asked.balance
  const isOther = (part: 'sticky' | 'check', field: string, kept: unknown) => {
    const wanted = asked[part]?.[field]
    return wanted !== undefined && wanted !== kept
  }
  return {
    ...rest,
    ...(hash !== undefined && (balance === undefined || balance === 'hash') && { hash }),
    ...(sticky !== undefined && !isOther('sticky', 'by', sticky.by) && { sticky }),
    ...(check !== undefined && !isOther('check', 'type', check.type) && { check }),
  }
}

export async function deleteUpstream(
  draft: Draft,
  target: UpstreamTarget,
  body: unknown,
  force: boolean,
): Promise<Outcome> {
  refuseBody(body)
  const keys = await draft.keysUnder(`instances/${target.upstream}/`)
  const values = await Promise.all(keys.map((key) => draft.read(key)))
  const instances = keys.filter((_, index) => !isLeaving(values[index]))
  const stored = await draft.read(keyOf(target))
  if (stored === undefined && instances.length === 0) {
    throw new SluiceError('not_found', `there is no ${printTarget(target)}`)
  }
  if (instances.length > 0 && !force) {
    const count = instances.length === 1 ? 'an instance' : `${instances.length} instances`
    const what = `${printTarget(target)} still has ${count}; delete them first, or force it (?force=true in REST, --force on the command line)`
    throw new SluiceError('not_empty', what)
  }
  const overrides = await draft.keysUnder(`overrides/${target.upstream}/`)
  const record = stored === undefined ? [] : [keyOf(target)]
  for (const key of [...record, ...instances, ...overrides]) {
    await draft.delete(key)
  }
  return { created: false, shown: {} }
}

/**
 * `{name, policy, tls, protocol, dns, up, draining, down}`; counted once for each state that it
 * was in.
 */
export function showUpstream(
  upstream: DesiredUpstream,
  conditions: InstanceConditions,
): Record<string, unknown> {
  const known = counted.get(upstream)
  if (known?.conditions === conditions) {
    return known.shown
  }
  const counts = { up: 0, draining: 0, down: 0 }
  for (const instance of upstream.instances.values()) {
    counts[instanceState(instance, conditions.get(instance.id)).state] += 1
  }
  const shown = { name: upstream.name, ...settingsOf(upstream), ...counts }
  counted.set(upstream, { conditions, shown })
  return shown
}

/** What is set of it. */
export function settingsOf({ policy, tls, protocol, dns }: Settings): UpstreamRecord {
  return {
    policy,
    ...(tls !== undefined && { tls }),
    ...(protocol !== undefined && { protocol }),
    ...(dns !== undefined && { dns }),
  }
}

interface Settings {
  policy: Policy
  tls?: PeerTls | undefined
  protocol?: InstanceProtocol | undefined
  dns?: DnsName[] | undefined
}

interface Shown {
  conditions: InstanceConditions
  shown: Record<string, unknown>
}

/** Neither is ever changed in place, so what was counted stays true of the two. */
const counted = new WeakMap<DesiredUpstream, Shown>()

function refuseOwnChecks(world: World, target: UpstreamTarget, { policy }: UpstreamRecord): void {
  const port = policy.check?.port
  const instances = world.desired().upstreams.get(target.upstream)?.instances.values() ?? []
  for (const instance of port === undefined ? [] : instances) {
    refuseOwnCheck(world, port, instance.record.host)
  }
}

/** An upstream is there when it has a record or an instance. */
async function isThere(draft: Draft, world: World, target: UpstreamTarget): Promise<boolean> {
  if ((await draft.read(keyOf(target))) !== undefined) {
    return true
  }
  const known = world.desired().upstreams.get(target.upstream)
  // Spares the list of a large upstream; not when an earlier call of the batch may have emptied it.
  if (known !== undefined && known.instances.size > 0 && draft.writes().length === 0) {
    return true
  }
  return (await draft.keysUnder(`instances/${target.upstream}/`)).length > 0
}

function keyOf({ upstream }: UpstreamTarget): string {
  return printKey({ kind: 'upstreams', upstream })
}
