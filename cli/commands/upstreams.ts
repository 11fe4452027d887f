/** `sluice upstreams`. */
import type { Command } from '../command.js'
import { pathOf } from '../client.js'
import type { ApiClient } from '../client.js'
import { parseFields } from '../fields.js'
import { outline, table } from '../output.js'
import { appliedText } from './instances.js'
import type { ChangeView } from './instances.js'
import { changeUpstream } from './policy.js'

interface UpstreamView {
  name: string
  up: number
  draining: number
  down: number
}

interface SettingsView {
  policy: Record<string, unknown>
  tls?: Record<string, unknown>
  protocol?: string
}

/** For whoever has just begun. */
export const NO_UPSTREAMS =
  'no upstreams yet; "sluice register web one 10.0.0.7:80" makes one, and so does a container with the label sluice.enable=true'

async function list(client: ApiClient): Promise<[answer: unknown, lines: string[]]> {
  const answer = (await client.call({ method: 'GET', path: pathOf('upstreams') })) as {
    upstreams: UpstreamView[]
  }
  const rows = answer.upstreams.map(({ name, up, draining, down }) => [name, up, draining, down])
  return [answer, table(['upstream', 'up', 'draining', 'down'], rows, NO_UPSTREAMS)]
}

async function showOrChange(
  client: ApiClient,
  upstream: string,
  fields: string[],
): Promise<[answer: unknown, lines: string[]]> {
  const patch = parseFields(fields, 'tls.serverName=shop.internal')
  const path = pathOf('upstreams', upstream)
  const isChange = fields.length > 0
  const answer = (
    isChange
      ? await changeUpstream(client, path, patch)
      : await client.call({ method: 'GET', path })
  ) as SettingsView & ChangeView
  const { policy, tls, protocol } = answer
  const settings = {
    policy,
    ...(tls !== undefined && { tls }),
    ...(protocol !== undefined && { protocol }),
  }
  return isChange
    ? [answer, [...outline(settings), `${upstream}: ${appliedText(answer)}`]]
    : [settings, outline(settings)]
}

export const upstreams: Command = {
  name: 'upstreams',
  usage: '[<upstream> [<field>=<value>…]]',
  positionals: [0, 64],
  summary:
    'list upstreams; or show the settings of one, or change them (tls.serverName=shop.internal)',
  options: {},
  settings: 'client',
  async run({ connect, positionals, print, json }) {
    const [upstream, ...fields] = positionals
    const client = connect()
    const [answer, lines] = await (upstream === undefined
      ? list(client)
      : showOrChange(client, upstream, fields))
    if (json) {
      print(JSON.stringify(answer))
    } else {
      lines.forEach(print)
    }
    return 0
  },
}
