/**
 * nginx-proxy's environment: `VIRTUAL_HOST` and its like. Containers with one host and path are one
 * upstream, as there. Pure.
 */
import { isHostPattern, isPathPrefix, isWhole } from '../../contract/guard/names.js'
import { spellHost } from '../../contract/record/route-match.js'
import type { Container } from '../engine/container.js'
import type { Dialect } from './dialect.js'
import { MOST_INSTANCES } from './label-limits.js'
import { LeftOut } from './left-out.js'
import { nginxBalance } from './nginx-balance.js'
import { parseMultiports } from './nginx-multiports.js'
import type { VirtualHost } from './nginx-multiports.js'
import type { Offer, Offers } from './offer.js'
import { PLAIN_OFFER, nameOffer, nameOfHost } from './offer-name.js'

const BALANCE_LABEL = 'com.github.nginx-proxy.nginx-proxy.loadbalance'
const PROTOCOLS = ['http', 'https', 'grpc', 'grpcs']
/** What nginx-proxy and its companion read besides. */
const LEFT_OUT = /^(CERT_NAME|SSL_POLICY|HSTS|VIRTUAL_ROOT|EXTERNAL_HTTPS_PORT|LETSENCRYPT_.*)$/

type Environment = ReadonlyMap<string, string>

function environmentOf({ env }: Container): Environment {
  return new Map(env.map(([name, value]) => [name, value.trim()]))
}

interface Context {
  container: Container
  environment: Environment
  result: Offers & { refused: string[] }
  leftOut: LeftOut
  settings: Offer['settings']
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80))
}

/** `/app/` → `/app`; undefined where it is no path of a route. */
function prefixOf(path: string): string | undefined {
  const plain = path.length > 1 ? path.replace(/\/$/, '') : path
  return isPathPrefix(plain) ? plain : undefined
}

/** `dest` takes the place of the path; '' leaves it. */
function rewriteOf(pathPrefix: string, dest: string) {
  const to = dest === '' ? undefined : prefixOf(dest)
  if (to === undefined || to === pathPrefix) {
    return {}
  }
  return { rewrite: to === '/' ? { stripPrefix: true as const } : { replacePrefix: to } }
}

/** Why the host is refused; '' where it is not. */
function refusalOf({ host, path, dest, port }: VirtualHost): string {
  if (host.startsWith('~') || path.startsWith('~')) {
    return `${shown(host.startsWith('~') ? host : path)} is a regular expression`
  }
  if (!spellHost(host).every(isHostPattern)) {
    return `${shown(host)} is no host name`
  }
  if (prefixOf(path) === undefined || (dest !== '' && prefixOf(dest) === undefined)) {
    return `${shown(host)}: path ${shown(path)} or dest ${shown(dest)} is no path of a route`
  }
  return isWhole(port, 1, 65535) ? '' : `${shown(host)}: its port is none`
}

function offersFor(virtual: VirtualHost, source: string, context: Context): Offer[] {
  const { result, leftOut, settings } = context
  const { path, dest } = virtual
  const refusal = refusalOf(virtual)
  if (refusal !== '') {
    result.refused.push(`${source}: ${refusal}`)
    return []
  }
  if (path !== '/' && !path.endsWith('/')) {
    leftOut.add(`path ${shown(path)}`, `there also ${path}-x, here whole segments`)
  }
  return spellHost(virtual.host).map((host) => {
    const pathPrefix = prefixOf(path) ?? '/'
    // Two hosts whose names become one are told apart by what was given.
    const given = { given: host + pathPrefix }
    const names = { ...nameOffer(nameOfHost(host, pathPrefix), source, result.problems), ...given }
    const routes = [{ hosts: [host], pathPrefix, ...rewriteOf(pathPrefix, dest) }]
    const served = { port: virtual.port, transport: 'tcp' as const, metadata: {} }
    return { ...PLAIN_OFFER, source, ...names, ...served, routes, settings }
  })
}

function defaultPort({ tcpPorts }: Container, environment: Environment): number {
  const given = environment.get('VIRTUAL_PORT') ?? ''
  const [only = 80, ...more] = tcpPorts
  return given === '' ? (more.length === 0 ? only : 80) : Number(given)
}

function virtualHosts({ container, environment, result }: Context): [VirtualHost[], string] {
  const port = defaultPort(container, environment)
  const text = environment.get('VIRTUAL_HOST_MULTIPORTS') ?? ''
  if (text !== '') {
    const parsed = parseMultiports(text, port)
    if (typeof parsed === 'string') {
      result.problems.push(`VIRTUAL_HOST_MULTIPORTS ${parsed}`)
      return [[], '']
    }
    return [parsed, 'VIRTUAL_HOST_MULTIPORTS']
  }
  const path = environment.get('VIRTUAL_PATH') || '/'
  const dest = environment.get('VIRTUAL_DEST') ?? ''
  const hosts = (environment.get('VIRTUAL_HOST') ?? '').split(',').map((host) => host.trim())
  const named = [...new Set(hosts)].filter((host) => host !== '')
  return [named.map((host) => ({ host, path, dest, port })), 'VIRTUAL_HOST']
}

function settingsOf(
  container: Container,
  { environment, result, leftOut }: Omit<Context, 'settings'>,
) {
  const protocol = environment.get('VIRTUAL_PROTO') || 'http'
  if (!PROTOCOLS.includes(protocol)) {
    result.problems.push(`VIRTUAL_PROTO ${shown(protocol)} must be one of ${PROTOCOLS.join(', ')}`)
  }
  const label = container.labels[BALANCE_LABEL]
  const policy = label === undefined ? undefined : nginxBalance(label)
  if (label !== undefined && policy === undefined) {
    leftOut.add(`${BALANCE_LABEL} ${shown(label)}`)
  }
  const tls = protocol === 'https' || protocol === 'grpcs'
  const isGrpc = protocol.startsWith('grpc')
  return policy === undefined && !tls && !isGrpc
    ? undefined
    : {
        policy: policy ?? { balance: 'random' as const },
        ...(tls && { tls: { verify: false } }),
        ...(isGrpc && { protocol: 'grpc' as const }),
      }
}

function nameLeftOut({ environment, result, leftOut }: Omit<Context, 'settings'>): void {
  if (environment.get('NETWORK_ACCESS') === 'internal') {
    result.problems.push('NETWORK_ACCESS=internal: Sluice does not limit a host to some clients')
  }
  const method = environment.get('HTTPS_METHOD') ?? ''
  if (method !== '' && method !== 'noredirect') {
    leftOut.add(
      `HTTPS_METHOD=${method.slice(0, 20)}`,
      'HTTP and HTTPS both serve; see redirect of routes',
    )
  }
  for (const name of environment.keys()) {
    if (LEFT_OUT.test(name)) {
      leftOut.add(name)
    }
  }
}

function read(container: Container): Offers {
  const empty = { offers: [], network: undefined, problems: [], refused: [], warnings: [] }
  const result: Offers & { refused: string[] } = empty
  const environment = environmentOf(container)
  const base = { container, environment, result, leftOut: new LeftOut() }
  nameLeftOut(base)
  const context = { ...base, settings: settingsOf(container, base) }
  const [hosts, source] = virtualHosts(context)
  // One more than there may be: then all of it is refused.
  for (const host of hosts.slice(0, MOST_INSTANCES + 1)) {
    result.offers.push(...offersFor(host, source, context))
  }
  result.warnings.push(...base.leftOut.warnings('nginx-proxy'))
  return result
}

/** A VIRTUAL_HOST or VIRTUAL_HOST_MULTIPORTS asks. */
export const nginxProxy: Dialect = {
  asks: ({ env }) =>
    env.some(([name, value]) => /^VIRTUAL_HOST(_MULTIPORTS)?$/.test(name) && value !== ''),
  read,
}
