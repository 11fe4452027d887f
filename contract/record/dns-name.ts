/** The names of DNS that an upstream's instances come from, and their guard. */
import { parseIp } from '../guard/address.js'
import { brokenRule, fieldIn, guardShape, isObject, right, wrong } from '../guard/guarded.js'
import type { FieldRule, Guarded } from '../guard/guarded.js'
import { isHost, isWhole } from '../guard/names.js'

/** Every address of the name is an instance at `port`. */
export interface DnsHost {
  /** In lower case; with a dot at its end it is never looked for in search domains. */
  name: string
  port: number
  /** Whether its AAAA records count, too. */
  ipv6?: boolean
  /** Of each instance; 1 by default. */
  weight?: number
}

/** Every target of the SRV records is an instance, at its own port. */
export interface DnsService {
  srv: string
  ipv6?: boolean
}

export type DnsName = DnsHost | DnsService

/** In one upstream. */
const MOST_NAMES = 16
const NAME_RULE = 'must be a name of DNS such as web.internal, in lower case'

function isDnsName(value: unknown): boolean {
  return typeof value === 'string' && isHost(value.replace(/\.$/, '')) && parseIp(value) === null
}

function isFlag(value: unknown): boolean {
  return typeof value === 'boolean'
}

const HOST_RULES: FieldRule[] = [
  ['name', isDnsName, NAME_RULE],
  ['port', (value) => isWhole(value, 1, 65535), 'must be a whole number from 1 to 65535'],
  ['ipv6', isFlag, 'must be true or false'],
  ['weight', (value) => isWhole(value, 1, 1000), 'must be a whole number from 1 to 1000'],
]
const SERVICE_RULES: FieldRule[] = [
  ['srv', isDnsName, 'must be a name of SRV records such as _http._tcp.web.internal'],
  ['ipv6', isFlag, 'must be true or false'],
]

function guardDnsName(value: unknown): Guarded<DnsName> {
  const isService = isObject(value) && value.srv !== undefined
  const shape = guardShape(value, isService ? ['srv', 'ipv6'] : ['name', 'port', 'ipv6', 'weight'])
  if (!shape.ok) {
    return shape
  }
  const bad = isService
    ? brokenRule(shape.value, SERVICE_RULES, ['srv'])
    : brokenRule(shape.value, HOST_RULES, ['name', 'port'])
  return bad === undefined ? right(shape.value as unknown as DnsName) : wrong(bad[0], bad[2])
}

/** `[{name: "web.internal", port: 80}]` or `[{srv: "_http._tcp.web.internal"}]`; 1 to 16. */
export function guardDnsNames(value: unknown): Guarded<DnsName[]> {
  if (!Array.isArray(value) || value.length === 0 || value.length > MOST_NAMES) {
    return wrong('', 'must be a list of 1 to ' + MOST_NAMES + ' names of DNS')
  }
  const names: DnsName[] = []
  for (let at = 0; at < value.length; at++) {
    const name = guardDnsName(value[at])
    if (!name.ok) {
      return wrong(fieldIn('[' + at + ']', name.field), name.message)
    }
    names.push(name.value)
  }
  return right(names)
}
