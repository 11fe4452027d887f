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
  pages?: Record<string, unknown>
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

/** What the other columns say, and what an answer says beside the route. */
const SHOWN =
  'id hosts sni port protocol pathPrefix upstream split stick methods headers cookies arguments revision applied pending reasons warnings'.split(
    ' ',
  )
const MOST_VALUE = 24

function shortened(text: string): string {
  const line = text.replace(/\s+/g, ' ')
  return line.length > MOST_VALUE ? `${line.slice(0, MOST_VALUE - 1)}…` : line
}

/**
 * As `put` takes them: `rewrite.stripPrefix=true`. Of what lies deeper the names alone, for headers
 * may hold secrets.
 */
function fieldTexts(name: string, value: unknown): string[] {
  if (typeof value !== 'object' || value === null) {
    return [`${name}=${shortened(String(value))}`]
  }
  if (Array.isArray(value) || name.includes('.')) {
    const names = Array.isArray(value) ? value.map(String) : Object.keys(value)
    return [`${name}=${shortened(names.join(','))}`]
  }
  return Object.entries(value).flatMap(([part, inner]) => fieldTexts(`${name}.${part}`, inner))
}

/**
 * Whatever else the route carries, whether this client knows the field or not. Of pages, the
 * statuses: texts fit into no column.
 */
function doesOf(route: RouteView): string {
  const { maintenance, pages, ...rest } = route
  const others = Object.entries({
    ...rest,
    ...(maintenance !== undefined && { maintenance: maintenance.status }),
    ...(pages !== undefined && { pages: Object.keys(pages) }),
  })
  return others
    .filter(([name]) => !SHOWN.includes(name))
    .flatMap(([name, value]) => fieldTexts(name, value))
    .join(' ')
}

export const ROUTE_HEADS = ['route', 'hosts or port', 'path', 'if', 'to', 'does']

export function routeCells(route: RouteView): string[] {
  const path = route.hosts === undefined ? '' : (route.pathPrefix ?? '/')
  return [route.id, sourceOf(route), path, conditionsOf(route), targetOf(route), doesOf(route)]
}
