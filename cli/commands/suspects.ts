/** `sluice suspects` and `sluice confirm`. */
import type { Command } from '../command.js'
import type { ApiClient } from '../client.js'
import { pathOf } from '../client.js'
import { age, table } from '../output.js'

interface SuspectView {
  upstream: string
  instances: string[]
  reason: string
  sinceAtMs: number
}

interface SuspectsView {
  suspects: SuspectView[]
}

/** Removals that are held because nobody is known to have meant them. */
export function getSuspects(client: ApiClient): Promise<SuspectsView> {
  return client.call({ method: 'GET', path: pathOf('suspects') }) as Promise<SuspectsView>
}

export const suspects: Command = {
  name: 'suspects',
  usage: '',
  positionals: [0, 0],
  summary:
    'list suspects: instances that were lost all at once, and that are kept in service for now',
  options: {},
  settings: 'client',
  async run({ connect, print, json }) {
    const answer = await getSuspects(connect())
    if (json) {
      print(JSON.stringify(answer))
      return 0
    }
    const rows = answer.suspects.map((each) => [
      ...[each.upstream, each.instances.length, age(Date.now() - each.sinceAtMs), each.reason],
    ])
    table(['upstream', 'instances', 'for', 'why'], rows, 'no suspects').forEach(print)
    if (rows.length > 0) {
      print(
        'These are kept in service for now. Are they really gone? "sluice confirm" takes them out.',
      )
    }
    return 0
  },
}

export const confirm: Command = {
  name: 'confirm',
  usage: '[<upstream>]',
  positionals: [0, 1],
  summary: 'take suspects out of service: those of one upstream, or all',
  options: {},
  settings: 'client',
  async run({ connect, positionals, print, json }) {
    const upstream = positionals[0]
    const body = upstream === undefined ? {} : { upstream }
    const call = { method: 'POST' as const, path: pathOf('suspects', 'confirm'), body }
    const answer = (await connect().call(call)) as { confirmed: SuspectView[] }
    const count = answer.confirmed.reduce((sum, each) => sum + each.instances.length, 0)
    const nothing = `no suspects${upstream === undefined ? '' : ` in ${upstream}`}`
    const line =
      count === 0 ? nothing : `taken out: ${count} ${count === 1 ? 'instance' : 'instances'}`
    print(json ? JSON.stringify(answer) : line)
    return 0
  },
}
