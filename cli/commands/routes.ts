import type { Command } from '../command.js'
import { pathOf } from '../client.js'
import { columns } from '../output.js'

type Values = Record<string, string | true>

interface Conditions {
  methods?: string[]
  headers?: Values
  cookies?: Values
  arguments?: Values
}

interface ArmView {
  upstream: string
  where?: Record<string, string>
  weight: number
  when?: Conditions
}

interface RouteView extends Conditions {
  id: string
  hosts?: string[]
  port?: number
  protocol?: string
  sni?: string[]
  pathPrefix?: string
  upstream?: string
  split?: ArmView[]
  stick?: { by: string; key?: string; name?: string }
  redirect?: { status: number }
  maintenance?: { status: number }
}

function sourceOf({ hosts, port, protocol, sni }: RouteView): string {
  if (hosts !== undefined) return hosts.join(' ')
  return sni === undefined ? `${protocol} ${port}` : `sni ${sni.join(' ')}`
}

function valuesText(kind: string, values: Values = {}): string[] {
  return Object.entries(values).map(([name, value]) =>
    value === true ? `${kind}:${name}` : `${kind}:${name}=${value}`,
  )
}

function conditionsOf({ methods = [], headers, cookies, arguments: args }: Conditions): string {
  const values = [
    ...valuesText('header', headers),
    ...valuesText('cookie', cookies),
    ...valuesText('argument', args),
  ]
  return [...(methods.length === 0 ? [] : [methods.join(',')]), ...values].join(' ')
}

/** `web{version=2}:1(header:x-canary)` */
function armText({ upstream, where, weight, when }: ArmView): string {
  const meant = Object.entries(where ?? {}).map(([name, value]) => `${name}=${value}`)
  const some = meant.length === 0 ? '' : `{${meant.join(',')}}`
  return `${upstream}${some}:${weight}${when === undefined ? '' : `(${conditionsOf(when)})`}`
}

/** The arms, and by what clients keep theirs. */
function targetOf({ upstream, split, stick, redirect, maintenance }: RouteView): string {
  if (maintenance !== undefined || (upstream === undefined && split === undefined)) {
    return `answers ${(maintenance ?? redirect)?.status}`
  }
  const arms = (split ?? []).map(armText)
  const kept = stick === undefined ? [] : [`kept by ${stick.key ?? `cookie:${stick.name}`}`]
  return upstream ?? [...arms, ...kept].join(' ')
}

export const routes: Command = {
  name: 'routes',
  usage: '',
  positionals: [0, 0],
  summary: 'list routes',
  options: {},
  settings: 'client',
  async run({ connect, print, json }) {
    const client = connect()
    const answer = (await client.call({ method: 'GET', path: pathOf('routes') })) as {
      routes: RouteView[]
    }
    if (json) {
      print(JSON.stringify(answer))
      return 0
    }
    const rows = answer.routes.map((route) => [
      route.id,
      sourceOf(route),
      route.hosts === undefined ? '' : (route.pathPrefix ?? '/'),
      conditionsOf(route),
      targetOf(route),
    ])
    columns(['route', 'hosts, port or sni', 'path', 'if', 'to'], rows).forEach(print)
    return 0
  },
}
