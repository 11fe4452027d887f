/** A route in one line. */

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

export interface RouteView extends Conditions {
  id: string
  hosts?: string[]
  sni?: string[]
  port?: number
  protocol?: string
  pathPrefix?: string
  upstream?: string
  split?: ArmView[]
  stick?: { by: string; key?: string; name?: string }
  redirect?: { status: number }
  maintenance?: { status: number }
}

function sourceOf({ hosts, sni, port, protocol }: RouteView): string {
  const names = sni === undefined ? hosts : ['sni', ...sni]
  return names === undefined ? `${protocol} ${port}` : names.join(' ')
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
    return `answers ${(maintenance ?? redirect ?? { status: 404 }).status}`
  }
  const arms = (split ?? []).map(armText)
  const kept = stick === undefined ? [] : [`kept by ${stick.key ?? `cookie:${stick.name}`}`]
  return upstream ?? [...arms, ...kept].join(' ')
}

export const ROUTE_HEADS = ['route', 'hosts or port', 'path', 'if', 'to']

export function routeCells(route: RouteView): string[] {
  const path = route.hosts === undefined ? '' : (route.pathPrefix ?? '/')
  return [route.id, sourceOf(route), path, conditionsOf(route), targetOf(route)]
}
