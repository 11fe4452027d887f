import { UsageError } from '../command.js'
import type { Command } from '../command.js'
import { SluiceError } from '../../runtime/errors.js'
import { pathOf } from '../client.js'
import type { Client } from '../client.js'
import { outline } from '../output.js'
import { appliedText } from './instances.js'
import type { ChangeView } from './instances.js'

interface PolicyView {
  policy: Record<string, unknown>
}

/** `balance=leastConn`: the parts of a policy before `=`, with dots between; what follows is JSON, or else a text. */
function fieldOf(text: string): [path: string[], value: unknown] {
  const match = /^([A-Za-z]+(?:\.[A-Za-z]+)*)=(.*)$/s.exec(text)
  if (match === null) {
    const example = 'balance=leastConn or retry.tries=2'
    throw new UsageError(`${JSON.stringify(text)} is not right; expected ${example}`)
  }
  const value = match[2] ?? ''
  try {
    return [(match[1] ?? '').split('.'), JSON.parse(value)]
  } catch {
    // Names and sources are told without quotes; what must be no text, the API refuses by name.
    return [(match[1] ?? '').split('.'), value]
  }
}

/** A merge patch of all that is told: `retry.tries=2 hash=null` → `{retry: {tries: 2}, hash: null}`. */
export function patchOf(texts: string[]): Record<string, unknown> {
  const patch: Record<string, unknown> = {}
  for (const [path, value] of texts.map(fieldOf)) {
    let part = patch
    for (const name of path.slice(0, -1)) {
      const inner = part[name]
      const next = typeof inner === 'object' && inner !== null ? inner : {}
      part[name] = next
      part = next as Record<string, unknown>
    }
    part[path.at(-1) ?? ''] = value
  }
  return patch
}

/** An upstream that is not there yet is made: its instances may come later. */
export async function changeUpstream(client: Client, path: string, body: object): Promise<unknown> {
  try {
    return await client.call({ method: 'PATCH', path, body })
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'not_found') {
      return client.call({ method: 'PUT', path, body })
    }
    throw error
  }
}

export const policy: Command = {
  name: 'policy',
  usage: '<upstream> [<field>=<value>…]',
  positionals: [1, 64],
  summary:
    'show how an upstream’s instances are chosen, or change it: balance=leastConn retry.tries=2',
  options: {},
  settings: 'client',
  async run({ connect, positionals, print, json }) {
    const [upstream = '', ...fields] = positionals
    const patch = patchOf(fields)
    const path = pathOf('upstreams', upstream)
    const client = connect()
    const answer = (
      fields.length === 0
        ? await client.call({ method: 'GET', path })
        : await changeUpstream(client, path, { policy: patch })
    ) as PolicyView & ChangeView
    if (json) {
      print(JSON.stringify(fields.length === 0 ? { policy: answer.policy } : answer))
      return 0
    }
    outline(answer.policy).forEach(print)
    if (fields.length > 0) {
      print(`policy of ${upstream}: ${appliedText(answer)}`)
    }
    return 0
  },
}
