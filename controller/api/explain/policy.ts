/** What an upstream's policy makes of a request, in words. */
import type { Policy } from '../../../contract/record/policy.js'
import type { GatewayTraits } from '../../table/compiled-upstream.js'
import type { DesiredUpstream } from '../../state/desired.js'
import { tokenOf } from '../../table/upstream-rules.js'
import type { Tiers } from '../../table/tiers.js'

const SOURCES: Record<string, string> = {
  address: "the client's address",
  uri: 'the path and query',
}

export function sourceText(source: string): string {
  const [kind = '', name = ''] = source.split(':')
  return SOURCES[source] ?? `the ${kind} ${name}`
}

function balanceText({ balance, hash }: Policy): string {
  const bound =
    hash?.loadPercent === undefined
      ? ''
      : `, unless it has ${hash.loadPercent} % of the average load already`
  return hash === undefined
    ? `balance ${balance} chooses`
    : `balance ${balance} chooses by ${sourceText(hash.key)}${bound}`
}

/** `a=1; b=2` → what `name` is; undefined when it is not there. */
function cookieIn(cookies: string, name: string): string | undefined {
  const pairs = cookies.split(';').map((pair) => pair.trim())
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1)
}

/** What the cookie holds is a name that says nothing to people; here is whose it is. */
function sessionText(
  upstream: DesiredUpstream,
  traits: GatewayTraits,
  cookies: string | undefined,
): string {
  const { sticky } = upstream.policy
  if (sticky === undefined) {
    return ''
  }
  if (sticky.by === 'route') {
    return `an instance's id in ${sourceText(sticky.key)} comes before that`
  }
  const token = cookies === undefined ? undefined : cookieIn(cookies, sticky.name)
  if (token === undefined) {
    return `a session in the cookie ${sticky.name} comes before that`
  }
  const key = traits.sessionKey()
  const ids = key === undefined ? [] : [...upstream.instances.keys()]
  const found = ids.find((id) => tokenOf(key ?? '', upstream.name, id) === token)
  return found === undefined
    ? `the cookie ${sticky.name} names no instance that is there`
    : `the cookie ${sticky.name} names instance ${found}, which comes before that if it can serve`
}

function tierText({ spill }: Tiers, { zone }: GatewayTraits): string {
  const where = zone === undefined ? 'backups' : `other zones than ${zone}, and backups`
  const count = spill.length === 1 ? 'one instance waits' : `${spill.length} instances wait`
  return spill.length === 0 ? '' : `${count} until the others cannot serve (${where})`
}

function tlsText({ tls }: DesiredUpstream): string {
  if (tls === undefined) {
    return ''
  }
  const { serverName, verify, certificate } = tls
  const asked = serverName === undefined ? '' : ` as ${serverName}`
  const shown = certificate === undefined ? '' : `, shown certificate ${certificate}`
  return `reached over TLS${asked}, certificates ${verify ? 'verified' : 'not verified'}${shown}`
}

function protocolText({ protocol }: DesiredUpstream): string {
  const texts = {
    grpc: 'its instances speak gRPC, and are asked nothing else',
    h2: 'its instances are spoken to in HTTP/2, where nginx is 1.29.4 or newer',
  }
  return protocol === undefined ? '' : texts[protocol]
}

/**
 * A line for each thing that decides. `cookies`: the request's Cookie header, as far as it is
 * known.
 */
export function describePolicy(
  upstream: DesiredUpstream,
  tiers: Tiers,
  traits: GatewayTraits,
  cookies: string | undefined,
): string[] {
  const lines = [
    balanceText(upstream.policy),
    sessionText(upstream, traits, cookies),
    tierText(tiers, traits),
    tlsText(upstream),
    protocolText(upstream),
  ]
  return lines.filter((line) => line !== '').map((line) => `upstream ${upstream.name}: ${line}`)
}
