/** `sluice routes`. */
import { readFileSync } from 'node:fs'
import { UsageError } from '../usage-error.js'
import type { Command, Invocation } from '../command.js'
import { pathOf } from '../client.js'
import { parseFields } from '../fields.js'
import { outline, table } from '../output.js'
import { SluiceError, messageOf } from '../../runtime/errors.js'
import { appliedText } from './instances.js'
import type { ChangeView } from './instances.js'
import { ROUTE_HEADS, routeCells } from './route-text.js'
import type { RouteView } from './route-text.js'

const EXAMPLE = 'hosts=app.example.com upstream=web'
const NONE = `no routes yet; "sluice routes put app ${EXAMPLE}" makes one`
/** Lists without brackets are split at their commas. */
const LISTS = ['hosts', 'sni', 'methods']
const STDIN = 0

async function list({ connect, print, json }: Invocation): Promise<void> {
  const answer = (await connect().call({ method: 'GET', path: pathOf('routes') })) as {
    routes: RouteView[]
  }
  if (json) {
    print(JSON.stringify(answer))
    return
  }
  table(ROUTE_HEADS, answer.routes.map(routeCells), NONE).forEach(print)
}

async function get({ connect, print, json }: Invocation, id: string): Promise<void> {
  const answer = await connect().call({ method: 'GET', path: pathOf('routes', id) })
  if (json) {
    print(JSON.stringify(answer))
  } else {
    outline(answer).forEach(print)
  }
}

function fieldsBody(texts: string[]): object {
  const fields = parseFields(texts, EXAMPLE)
  for (const name of LISTS) {
    const value = fields[name]
    if (typeof value === 'string') {
      fields[name] = value.split(',')
    }
  }
  return fields
}

function readBody(path: string): unknown {
  let text: string
  try {
    text = readFileSync(path === '-' ? STDIN : path, 'utf8')
  } catch (error) {
    throw new SluiceError('invalid', `--file: ${messageOf(error)}`, { field: 'file' })
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    const name = path === '-' ? 'what came on stdin' : path
    throw new SluiceError('invalid', `--file: ${name} is not JSON: ${messageOf(error)}`, {
      field: 'file',
    })
  }
}

async function put(
  { connect, flags, print, json }: Invocation,
  id: string,
  fields: string[],
): Promise<void> {
  const file = flags.get('file')
  if ((file === undefined) === (fields.length === 0)) {
    throw new UsageError(`put needs either fields such as ${EXAMPLE}, or --file <file>`)
  }
  const body = file === undefined ? fieldsBody(fields) : readBody(file)
  const call = { method: 'PUT' as const, path: pathOf('routes', id), body }
  const answer = (await connect().call(call)) as RouteView & ChangeView
  const [, source, path, condition = '', target, does] = routeCells(answer)
  const when = condition === '' ? '' : `if ${condition}`
  const line = [source, path, when, '->', target, does].filter((cell) => cell !== '').join(' ')
  print(json ? JSON.stringify(answer) : `${id}: ${line}: ${appliedText(answer)}`)
}

async function remove({ connect, print, json }: Invocation, id: string): Promise<void> {
  const call = { method: 'DELETE' as const, path: pathOf('routes', id) }
  const answer = (await connect().call(call)) as ChangeView
  print(json ? JSON.stringify(answer) : `${id} is gone: ${appliedText(answer)}`)
}

export const routes: Command = {
  name: 'routes',
  usage: '[get <id> | put <id> <field>=<value>… | delete <id>]',
  positionals: [0, 64],
  summary: `list routes, show one, replace it or delete it (put app ${EXAMPLE})`,
  options: {
    file: {
      type: 'string',
      value: '<file>',
      means: 'put: the route as JSON, as REST takes it; - for stdin',
    },
  },
  settings: 'client',
  async run(invocation) {
    const [action, id, ...fields] = invocation.positionals
    if (action === undefined || (action === 'list' && id === undefined)) {
      await list(invocation)
    } else if (id !== undefined && action === 'put') {
      await put(invocation, id, fields)
    } else if (id !== undefined && fields.length === 0 && action === 'get') {
      await get(invocation, id)
    } else if (id !== undefined && fields.length === 0 && action === 'delete') {
      await remove(invocation, id)
    } else {
      throw new UsageError(
        'usage: sluice routes [get <id> | put <id> <field>=<value>… | delete <id>]',
      )
    }
    return 0
  },
}
