/** What an agent learns from the records that an earlier life of it registered. */
import { guardInstance } from '../../contract/record/instance-record.js'
import type { InstanceRecord } from '../../contract/record/instance-record.js'
import { runOf } from '../engine/container.js'
import { STOPPING, UNREACHED } from './container-state.js'
import { targetKey } from './probe-target.js'

/** The instances among registry entries. A bad one is skipped: it is about to be replaced. */
export function instancesOf(entries: ReadonlyMap<string, string>): InstanceRecord[] {
  return [...entries]
    .filter(([key]) => key.startsWith('instances/'))
    .map(([, value]) => guardInstance(JSON.parse(value), { allowLoopback: true }))
    .flatMap((checked) => (checked.ok ? [checked.value] : []))
}

/**
 * What an agent's own records say to its next life: which runs were stopping and which ports had
 * answered, so that a restart of the agent changes no state.
 */
export function recall(values: Iterable<InstanceRecord>): {
  signalled: Set<string>
  answered: Set<string>
  doubtful: Set<string>
} {
  const signalled = new Set<string>()
  const answered = new Set<string>()
  const doubtful = new Set<string>()
  for (const { host, port, state, reason, metadata } of values) {
    const { containerId: id = '', startedAt = '' } = metadata ?? {}
    const run = runOf({ id, startedAt })
    if (state === 'draining' && reason === STOPPING) {
      signalled.add(run)
    }
    // One that drains had answered before, and one with a HEALTHCHECK needs no answer.
    if (state === 'up' || state === 'draining') {
      answered.add(targetKey({ run, host, port }))
    }
    if (state === 'up' && reason?.endsWith(UNREACHED) === true) {
      doubtful.add(targetKey({ run, host, port }))
    }
  }
  return { signalled, answered, doubtful }
}
