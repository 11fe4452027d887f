/** `sluice certificates`. */
import { readFileSync } from 'node:fs'
import { isOn } from '../command.js'
import { UsageError } from '../usage-error.js'
import type { Command, Invocation } from '../command.js'
import { pathOf } from '../client.js'
import { table } from '../output.js'
import { SluiceError, messageOf } from '../../runtime/errors.js'

interface CertificateView {
  id: string
  names: string[]
  default?: true
  client?: true
  key: string
  state: string
  notAfterAtMs: number
}

const SHOWN_NAMES = 3
const NONE =
  'no certificates yet; "sluice certificates put app --certificate fullchain.pem --key privkey.pem" adds one'

function namesOf({ names, default: isDefault, client }: CertificateView): string {
  if (client === true) {
    return '(for instances)'
  }
  const rest = names.length - SHOWN_NAMES
  const shown = [...names.slice(0, SHOWN_NAMES), ...(rest > 0 ? [`and ${rest} more`] : [])]
  return [...shown, ...(isDefault === true ? ['(default)'] : [])].join(' ')
}

async function list({ connect, print, json }: Invocation): Promise<void> {
  const answer = (await connect().call({ method: 'GET', path: pathOf('certificates') })) as {
    certificates: CertificateView[]
  }
  if (json) {
    print(JSON.stringify(answer))
    return
  }
  const rows = answer.certificates.map((each) => [
    ...[each.id, namesOf(each), each.key, each.state],
    new Date(each.notAfterAtMs).toISOString().slice(0, 10),
  ])
  table(['certificate', 'names', 'key', 'state', 'until'], rows, NONE).forEach(print)
}

function textOf(flags: Invocation['flags'], flag: string): string {
  const path = flags.get(flag)
  if (path === undefined) {
    throw new UsageError(`put needs --certificate <file> and --key <file>; --${flag} is missing`)
  }
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new SluiceError('invalid', `--${flag}: ${messageOf(error)}`, { field: flag })
  }
}

async function put({ connect, flags, print, json }: Invocation, id: string): Promise<void> {
  const body = {
    certificate: textOf(flags, 'certificate'),
    privateKey: textOf(flags, 'key'),
    ...(isOn(flags, 'default') && { default: true }),
    ...(isOn(flags, 'client') && { client: true }),
  }
  const call = { method: 'PUT' as const, path: pathOf('certificates', id), body }
  const answer = (await connect().call(call)) as CertificateView
  const to =
    answer.client === true
      ? `the instances of upstreams with tls.certificate=${id}`
      : `clients that ask for ${namesOf(answer)}`
  print(json ? JSON.stringify(answer) : `${id} is shown to ${to}`)
}

async function remove({ connect, print, json }: Invocation, id: string): Promise<void> {
  const call = { method: 'DELETE' as const, path: pathOf('certificates', id) }
  const answer = await connect().call(call)
  print(json ? JSON.stringify(answer) : `${id} is shown no longer`)
}

export const certificates: Command = {
  name: 'certificates',
  usage: '[put <id> | delete <id>]',
  positionals: [0, 2],
  summary: 'list certificates, put one (it serves the names that it contains), or delete one',
  options: {
    certificate: {
      type: 'string',
      value: '<file>',
      means: 'put: the certificate and its chain, PEM',
    },
    key: { type: 'string', value: '<file>', means: 'put: its private key, PEM' },
    default: { type: 'boolean', means: 'put: also serve it for names that no certificate has' },
    client: {
      type: 'boolean',
      means: 'put: a client certificate, shown only to instances of upstreams that name it',
    },
  },
  settings: 'client',
  async run(invocation) {
    const [action, id] = invocation.positionals
    if (action === undefined) {
      await list(invocation)
    } else if (id !== undefined && action === 'put') {
      await put(invocation, id)
    } else if (id !== undefined && action === 'delete') {
      await remove(invocation, id)
    } else {
      throw new UsageError('usage: sluice certificates [put <id> | delete <id>]')
    }
    return 0
  },
}
