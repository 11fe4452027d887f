/** `sluice instances`, `sluice register` and `sluice deregister`. */
import { connect as openSocket } from 'node:net'
import { printAddress } from '../../contract/guard/address.js'
import { NAME, duration, wholeNumber } from '../../runtime/config/kinds.js'
import type { SettingKind } from '../../runtime/config/kinds.js'
import { pause } from '../../runtime/retry.js'
import { isOn } from '../command.js'
import { UsageError } from '../usage-error.js'
import type { Command, Invocation, Option } from '../command.js'
import { pathOf } from '../client.js'
import { table } from '../output.js'

interface InstanceView {
  id: string
  host: string
  port: number
  weight: number
  state: string
  reason?: string
  active: number | null
}

/** An answer to a change. */
export interface ChangeView {
  applied: boolean
  revision: number
  pending?: string[]
  reasons?: Record<string, { message: string }>
  warnings?: Array<{ code: string; field: string; message: string }>
}

const TRY_AGAIN_MS = 50

export const WAIT = duration(0, 3_600_000)

/** A flag's value, or the default; a {@link UsageError} names the flag when it is none. */
export function valueOf<T>(
  flags: Invocation['flags'],
  flag: string,
  kind: SettingKind<T>,
): T | undefined {
  const text = flags.get(flag)
  const value = text === undefined ? undefined : kind.parse(text, '')
  if (text !== undefined && value === undefined) {
    throw new UsageError(
      `--${flag}: ${JSON.stringify(text)} is not right; expected ${kind.expected}`,
    )
  }
  return value
}

/** `10.0.0.7:80` or `[fd00::7]:80`. */
function splitAddress(text: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  if (match === null) {
    throw new UsageError(
      `${JSON.stringify(text)} is not right; expected an address and a port, such as 10.0.0.7:80 or [fd00::7]:80`,
    )
  }
  return { host: match[1] ?? match[2] ?? '', port: Number(match[3]) }
}

/** Prints `applied`, or which gateways are late. Likely typing errors follow, each on a line. */
export function appliedText(change: ChangeView): string {
  const { applied, pending = [], reasons = {}, warnings = [] } = change
  const why = (id: string) => (reasons[id] === undefined ? id : `${id} (${reasons[id].message})`)
  const late = pending.length === 0 ? '' : `: ${pending.map(why).join(', ')}`
  const text = applied ? 'applied' : `accepted, not yet applied on every gateway${late}`
  return [text, ...warnings.map(({ message }) => `warning: ${message}`)].join('\n')
}

export const instances: Command = {
  name: 'instances',
  usage: '<upstream>',
  positionals: [1, 1],
  summary: 'list the instances of an upstream',
  options: {},
  settings: 'client',
  async run({ connect, positionals, print, json }) {
    const client = connect()
    const path = pathOf('upstreams', positionals[0] ?? '')
    const answer = (await client.call({ method: 'GET', path })) as {
      name: string
      instances: InstanceView[]
    }
    if (json) {
      print(JSON.stringify(answer))
      return 0
    }
    const rows = answer.instances.map((each) => {
      const address = printAddress(each.host, each.port)
      return [each.id, address, each.weight, each.state, each.active ?? '?', each.reason ?? '']
    })
    const none = `no instances yet; "sluice register ${answer.name} one 10.0.0.7:80" adds one`
    const heads = ['instance', 'address', 'weight', 'state', 'active', 'reason']
    table(heads, rows, none).forEach(print)
    return 0
  },
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = openSocket({ host, port, timeout: 1000 })
    const end = (value: boolean) => {
      socket.destroy()
      resolve(value)
    }
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
    socket.once('timeout', () => end(false))
  })
}

async function waitUntilAccepts(host: string, port: number, forMs: number): Promise<boolean> {
  const untilMs = performance.now() + forMs
  while (!(await accepts(host, port))) {
    if (performance.now() >= untilMs) {
      return false
    }
    await pause(TRY_AGAIN_MS)
  }
  return true
}

const REGISTER_OPTIONS: Record<string, Option> = {
  weight: {
    type: 'string',
    value: '<n>',
    means: 'its share of the requests: weight / sum of all weights (default: 1)',
  },
  'max-conns': {
    type: 'string',
    value: '<n>',
    means: 'at most this many requests at a time (default: no limit)',
  },
  backup: { type: 'boolean', means: 'it serves only while no other instance does' },
  zone: {
    type: 'string',
    value: '<name>',
    means: 'where it is; gateways of this zone ask it first',
  },
  wait: {
    type: 'string',
    value: '<time>',
    means:
      'wait until it accepts connections before it is registered, at most this long, such as 30s',
  },
}

/** In the words of REST, which would refuse it too. */
const WEIGHT = {
  ...wholeNumber(1, 1000),
  expected: `${wholeNumber(1, 1000).expected}; to stop traffic, drain`,
}

/** What of an instance flags can set. */
function traitsOf(flags: Invocation['flags']): Record<string, unknown> {
  const weight = valueOf(flags, 'weight', WEIGHT) ?? 1
  const maxConns = valueOf(flags, 'max-conns', wholeNumber(1, 65_535))
  const zone = valueOf(flags, 'zone', NAME)
  return {
    weight,
    ...(maxConns !== undefined && { maxConns }),
    ...(isOn(flags, 'backup') && { backup: true }),
    ...(zone !== undefined && { zone }),
  }
}

export const register: Command = {
  name: 'register',
  usage: '<upstream> <id> <host:port>',
  positionals: [3, 3],
  summary: 'put an instance into an upstream',
  options: REGISTER_OPTIONS,
  settings: 'client',
  async run({ connect, positionals, flags, print, json }) {
    const [upstream = '', id = '', address = ''] = positionals
    const { host, port } = splitAddress(address)
    const traits = traitsOf(flags)
    const waitMs = valueOf(flags, 'wait', WAIT)
    const client = connect()
    if (waitMs !== undefined && !(await waitUntilAccepts(host, port, waitMs))) {
      throw new Error(`${address} does not accept connections; it was not registered`)
    }
    const path = pathOf('upstreams', upstream, 'instances', id)
    const body = { host, port, ...traits }
    const answer = (await client.call({ method: 'PUT', path, body })) as ChangeView
    print(json ? JSON.stringify(answer) : `${upstream}/${id} at ${address}: ${appliedText(answer)}`)
    return 0
  },
}

export const deregister: Command = {
  name: 'deregister',
  usage: '<upstream> <id>',
  positionals: [2, 2],
  summary: 'take an instance out of an upstream',
  options: {},
  settings: 'client',
  async run({ connect, positionals, print, json }) {
    const [upstream = '', id = ''] = positionals
    const client = connect()
    const path = pathOf('upstreams', upstream, 'instances', id)
    const answer = (await client.call({ method: 'DELETE', path })) as ChangeView
    print(json ? JSON.stringify(answer) : `${upstream}/${id} removed: ${appliedText(answer)}`)
    return 0
  },
}
