/** Keys of etcd and their values → what they want registered. Pure. */
import { guardUpstream } from '../../../contract/record/upstream-record.js'
import { fittingMetadata, leftOutWarning } from '../../plan/fitting-metadata.js'
import { LevelDraft, byOwnSpelling } from '../level-draft.js'
import type { SourceMachine } from '../level-draft.js'
import type { SourceLevel } from '../source.js'
import { readKey } from './key-value.js'
import type { KeyInstance } from './key-value.js'

/** The first key's wins: these are the upstream's here, and each server's elsewhere. */
function addSettings(
  draft: LevelDraft,
  upstream: string,
  from: string,
  instance: KeyInstance,
): void {
  const { maxFails, failTimeoutMs } = instance
  if (maxFails === undefined && failTimeoutMs === undefined) {
    return
  }
  const eject = {
    ...(maxFails !== undefined && { maxFails }),
    ...(failTimeoutMs !== undefined && failTimeoutMs > 0 && { failTimeoutMs }),
  }
  const guarded = guardUpstream({ policy: { eject } })
  if (!guarded.ok) {
    draft.warn(from, `max_fails and fail_timeout are not used: ${guarded.field} ${guarded.message}`)
    return
  }
  const first = draft.level.settings.get(upstream)
  if (first === undefined) {
    draft.level.settings.set(upstream, guarded.value)
  } else if (JSON.stringify(first) !== JSON.stringify(guarded.value)) {
    draft.warn(from, 'max_fails and fail_timeout differ from those of the first key, which count')
  }
}

function addKey(draft: LevelDraft, key: string, value: string): void {
  const from = key
  const read = readKey(key, value)
  if (!read.ok) {
    draft.refuse(from, read.reason)
    return
  }
  const { instance } = read
  const upstream = draft.upstreamOf(instance.service, from)
  if (upstream === undefined) {
    return
  }
  const { host, port, weight, isDown, isBackup } = instance
  const { metadata, left } = fittingMetadata(instance.metadata)
  left.forEach((name) => draft.warn(from, leftOutWarning(name)))
  const wish = {
    ...{ host, port, weight, metadata },
    ...(isDown && { state: 'down', reason: 'its key says down' }),
    ...(isBackup && { backup: true }),
  }
  if (draft.add({ from, key: key.replaceAll('/', ':'), upstream, wish })) {
    addSettings(draft, upstream, from, instance)
  }
}

/** `entries`: key, without the prefix → value. */
export function makeKeysLevel(
  entries: ReadonlyMap<string, string>,
  machine: SourceMachine,
): SourceLevel {
  const draft = new LevelDraft(machine, 'etcd')
  const serviceOf = (key: string) => key.slice(0, key.indexOf('/'))
  const sorted = [...entries.keys()].sort()
  sorted.sort((a, b) => byOwnSpelling(serviceOf(a), serviceOf(b)))
  for (const key of sorted) {
    addKey(draft, key, entries.get(key) ?? '')
  }
  return draft.level
}
