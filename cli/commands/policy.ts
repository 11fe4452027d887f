/** `sluice policy`. */
import type { Command } from '../command.js'
import { SluiceError } from '../../runtime/errors.js'
import { pathOf } from '../client.js'
import type { ApiClient } from '../client.js'
import { parseFields } from '../fields.js'
import { outline } from '../output.js'
import { appliedText } from './instances.js'
import type { ChangeView } from './instances.js'

interface PolicyView {
  policy: Record<string, unknown>
}

const EXAMPLE = 'balance=leastConn or retry.tries=2'

export function isNotFound(error: unknown): boolean {
  return error instanceof SluiceError && error.code === 'not_found'
}

/** An upstream that is not there yet is made: its instances may come later. */
export async function changeUpstream(
  client: ApiClient,
  path: string,
  body: object,
): Promise<unknown> {
  try {
    return await client.call({ method: 'PATCH', path, body })
  } catch (error) {
    if (isNotFound(error)) {
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
    'show how an upstream’s instances are chosen, or change it (balance=leastConn retry.tries=2)',
  options: {},
  settings: 'client',
  async run({ connect, positionals, print, json }) {
    const [upstream = '', ...fields] = positionals
    const patch = parseFields(fields, EXAMPLE)
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
