import type { Command } from '../command.js'
import { columns } from '../output.js'
import { pathOf } from '../client.js'

interface UpstreamView {
  name: string
  up: number
  draining: number
  down: number
}

export const upstreams: Command = {
  name: 'upstreams',
  usage: '',
  positionals: [0, 0],
  summary: 'list upstreams and how many instances of each are up',
  options: {},
  settings: 'client',
  async run({ connect, print, json }) {
    const client = connect()
    const answer = (await client.call({ method: 'GET', path: pathOf('upstreams') })) as {
      upstreams: UpstreamView[]
    }
    if (json) {
      print(JSON.stringify(answer))
      return 0
    }
    const rows = answer.upstreams.map(({ name, up, draining, down }) => [name, up, draining, down])
    columns(['upstream', 'up', 'draining', 'down'], rows).forEach(print)
    return 0
  },
}
