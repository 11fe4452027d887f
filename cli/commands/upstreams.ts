/** `sluice upstreams`. */
import { isOn } from '../command.js'
import { UsageError } from '../usage-error.js'
import type { Command } from '../command.js'
import { pathOf } from '../client.js'
import type { ApiClient } from '../client.js'
import { laneText } from '../lane-text.js'
import type { LaneView } from '../lane-text.js'
import { parseFields } from '../fields.js'
import { outline, table } from '../output.js'
import { appliedText } from './instances.js'
import type { ChangeView } from './instances.js'
import { changeUpstream, isNotFound } from './policy.js'

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
  dns?: Array<Record<string, unknown>>
  lane?: LaneView
  dnsNames?: DnsNameView[]
}

interface DnsNameView {
  name: string
  type: string
  state: string
  records: number
  reason?: string
}

/** For whoever has just begun. */
export const NO_UPSTREAMS =
  'no upstreams yet; "sluice register web one 10.0.0.7:80" makes one, and so does a container with the label sluice.enable=true'

const DELETE_USAGE = 'usage: sluice upstreams delete <upstream>'

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
  const { policy, tls, protocol, dns, lane, dnsNames = [] } = answer
  const settings = {
    policy,
    ...(tls !== undefined && { tls }),
    ...(protocol !== undefined && { protocol }),
    ...(dns !== undefined && { dns }),
  }
  return isChange
    ? [answer, [...outline(settings), `${upstream}: ${appliedText(answer)}`]]
    : [
        {
          ...settings,
          ...(lane !== undefined && { lane }),
          ...(dnsNames.length > 0 && { dnsNames }),
        },
        [
          ...outline(settings),
          ...(lane === undefined ? [] : [`served: ${laneText(lane)}`]),
          ...dnsNames.map(dnsText),
        ],
      ]
}

function dnsText({ name, type, state, records, reason }: DnsNameView): string {
  const why = reason === undefined ? '' : ` (${reason})`
  const kept = state === 'good' ? `records: ${records}` : `${state}, kept records: ${records}`
  return `${name} ${type}: ${kept}${why}`
}

async function remove(
  client: ApiClient,
  upstream: string,
  force: boolean,
): Promise<[answer: unknown, lines: string[]]> {
  const path = `${pathOf('upstreams', upstream)}${force ? '?force=true' : ''}`
  const answer = (await client.call({ method: 'DELETE', path })) as ChangeView
  return [answer, [`${upstream} is gone: ${appliedText(answer)}`]]
}

/** `upstreams delete web`; an upstream that is itself named "delete" can only be shown. */
function answerTo(
  client: ApiClient,
  upstream: string | undefined,
  fields: string[],
  force: boolean,
): Promise<[answer: unknown, lines: string[]]> {
  const [name, ...others] = fields
  if (upstream === 'delete' && name !== undefined && !name.includes('=')) {
    if (others.length > 0) {
      throw new UsageError(`unexpected argument "${others[0]}"; ${DELETE_USAGE}`)
    }
    return remove(client, name, force)
  }
  if (upstream === undefined) {
    return list(client)
  }
  return showOrChange(client, upstream, fields).catch((error: unknown) => {
    const isUnnamed = upstream === 'delete' && isNotFound(error)
    throw isUnnamed ? new UsageError(`<upstream> is missing; ${DELETE_USAGE}`) : error
  })
}

export const upstreams: Command = {
  name: 'upstreams',
  usage: '[<upstream> [<field>=<value>…] | delete <upstream>]',
  positionals: [0, 64],
  summary:
    'list upstreams; show or change the settings of one (tls.serverName=shop.internal); or delete one',
  options: {
    force: { type: 'boolean', means: 'delete: with its instances and their drains' },
  },
  settings: 'client',
  async run({ connect, positionals, flags, print, json }) {
    const [upstream, ...fields] = positionals
    const client = connect()
    const [answer, lines] = await answerTo(client, upstream, fields, isOn(flags, 'force'))
    if (json) {
      print(JSON.stringify(answer))
    } else {
      lines.forEach(print)
    }
    return 0
  },
}
