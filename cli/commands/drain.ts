/** `sluice drain` and `sluice undrain`. */
import type { Command } from '../command.js'
import { UsageError } from '../usage-error.js'
import { pathOf } from '../client.js'
import type { ApiClient } from '../client.js'
import { WAIT, appliedText, valueOf } from './instances.js'
import type { ChangeView } from './instances.js'

interface DrainView extends ChangeView {
  state: string
  active: number | null
  drained: boolean
  notDrained?: Array<{ gateway: string; active: number | null; reason?: string }>
}

/** Accepted, but it is not known to hold at every gateway: it is not safe to stop the instance. */
const NOT_EVERYWHERE = 3

function instancePath(text: string | undefined, ...verb: string[]): string {
  const match = /^([^/]+)\/([^/]+)$/.exec(text ?? '')
  if (match === null) {
    throw new UsageError(
      `${JSON.stringify(text)} is not right; expected <upstream>/<id>, such as web/one`,
    )
  }
  return pathOf('upstreams', match[1] ?? '', 'instances', match[2] ?? '', ...verb)
}

/**
 * What the container's label `sluice.drain` asks for, which the agent keeps in the instance's
 * metadata.
 */
async function labelledWaitMs(client: ApiClient, target: string): Promise<number | undefined> {
  const instance = (await client.call({ method: 'GET', path: instancePath(target) })) as {
    metadata?: { drainMs?: string }
  }
  const waitMs = Number(instance.metadata?.drainMs ?? NaN)
  return Number.isInteger(waitMs) ? waitMs : undefined
}

function drainText(target: string, answer: DrainView): string {
  const { applied, active, drained, notDrained = [] } = answer
  if (drained) {
    return `${target} is drained: no requests are active`
  }
  const where = notDrained.map(({ gateway, reason }) =>
    reason === undefined ? gateway : `${gateway} (${reason})`,
  )
  const at = where.length === 0 ? '' : ` at ${where.join(', ')}`
  const late = applied ? '' : `; ${appliedText(answer)}`
  return `${target} is draining; active requests: ${active ?? 'unknown'}${at}${late}`
}

/** Who waits wants to go on only when it is safe to stop the instance. */
function exitCodeOf({ applied, active, drained }: DrainView): number {
  if (drained) {
    return 0
  }
  return !applied || active === null ? NOT_EVERYWHERE : 1
}

export const drain: Command = {
  name: 'drain',
  usage: '<upstream>/<id>',
  positionals: [1, 1],
  summary: 'send an instance no new requests, and let it finish those it has',
  options: {
    wait: {
      type: 'string',
      value: '<time>',
      means:
        'wait until no request is active, at most this long (default: its label sluice.drain, or not at all). ' +
        'Exit code: 0 when it is safe to stop the instance, 1 when requests are still active, ' +
        '3 when a gateway did not apply the drain or did not answer',
    },
    reason: { type: 'string', value: '<text>', means: 'shown beside its state' },
  },
  settings: 'client',
  async run({ connect, positionals, flags, print, json }) {
    const target = positionals[0] ?? ''
    const path = instancePath(target, 'drain')
    const client = connect()
    const waitMs = valueOf(flags, 'wait', WAIT) ?? (await labelledWaitMs(client, target))
    const reason = flags.get('reason')
    const body = { waitMs: waitMs ?? 0, ...(reason !== undefined && { reason }) }
    const call = { method: 'POST' as const, path, body, extraMs: waitMs ?? 0 }
    const answer = (await client.call(call)) as DrainView
    print(json ? JSON.stringify(answer) : drainText(target, answer))
    return waitMs === undefined ? 0 : exitCodeOf(answer)
  },
}

type UndrainView = ChangeView & Pick<DrainView, 'state'>

/**
 * Only an operator's drain can be undone here: a state that was registered is not ours to change.
 */
function undrainText(target: string, answer: UndrainView): string {
  const undone = `no operator drains ${target} any more: ${appliedText(answer)}`
  const states: Record<string, string> = {
    up: `${target} is no longer drained: ${appliedText(answer)}`,
    draining: `${undone}; but it is registered as draining (its container got the signal to stop, for example), and gets no new requests`,
  }
  return states[answer.state] ?? `${undone}; but it is ${answer.state}, and gets no requests`
}

export const undrain: Command = {
  name: 'undrain',
  usage: '<upstream>/<id>',
  positionals: [1, 1],
  summary: 'send a drained instance requests again',
  options: {},
  settings: 'client',
  async run({ connect, positionals, print, json }) {
    const target = positionals[0] ?? ''
    const path = instancePath(target, 'undrain')
    const client = connect()
    const answer = (await client.call({ method: 'POST', path, body: {} })) as UndrainView
    print(json ? JSON.stringify(answer) : undrainText(target, answer))
    // Down is another matter than a drain: what was asked is done, also for one that is gone.
    return answer.state === 'draining' ? 1 : 0
  },
}
