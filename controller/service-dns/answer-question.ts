/** A question to the service zone → the records that answer it. */
import type { Answer, Question } from 'dns-packet'
import { parseIp, printIp } from '../../contract/guard/address.js'
import type { InstanceConditions } from '../state/conditions.js'
import { instanceState } from '../state/desired.js'
import type { Desired, DesiredInstance } from '../state/desired.js'

export interface ServiceZone {
  /** In lower case, without a dot at its end. */
  zone: string
  desired: () => Desired
  conditionsOf: (upstream: string) => InstanceConditions
}

type Rcode = 'NOERROR' | 'NXDOMAIN' | 'REFUSED'

export interface ServiceAnswer {
  rcode: Rcode
  /** In random order. */
  answers: Answer[]
  /** The zone's SOA, where there is nothing to answer. */
  authorities: Answer[]
}

/** What is gone is soon forgotten by who asked, in seconds. */
const TTL_S = 2
const NEGATIVE_TTL_S = 5
/** Of one upstream, whatever the transport. */
const MOST_RECORDS = 500

/** `REFUSED` for what is not of the zone: nothing is forwarded. */
export function answerQuestion({ name: asked, type }: Question, zone: ServiceZone): ServiceAnswer {
  const name = asked.toLowerCase()
  const inner = name === zone.zone ? '' : withoutEnd(name, `.${zone.zone}`)
  if (inner === undefined) {
    return { rcode: 'REFUSED', answers: [], authorities: [] }
  }
  if (inner === '' || inner === 'service' || inner === 'addr') {
    const answers = inner === '' && type === 'SOA' ? [soaOf(zone)] : []
    return answered(zone, 'NOERROR', answers)
  }
  const hex = withoutEnd(inner, '.addr')
  if (hex !== undefined) {
    const address = addressOf(hex)
    const answers = address === undefined ? [] : addressRecords(asked, type, [address])
    return answered(zone, address === undefined ? 'NXDOMAIN' : 'NOERROR', answers)
  }
  const found = instancesOf(withoutEnd(inner, '.service') ?? '', zone)
  if (found === undefined) {
    return answered(zone, 'NXDOMAIN', [])
  }
  const shown = shuffled(found).slice(0, MOST_RECORDS)
  const hosts = shown.map(({ record }) => record.host)
  const answers =
    type === 'SRV'
      ? shown.map((one) => serviceRecord(asked, one, zone))
      : addressRecords(asked, type, [...new Set(hosts)])
  return answered(zone, 'NOERROR', answers)
}

function answered(zone: ServiceZone, rcode: Rcode, answers: Answer[]): ServiceAnswer {
  return { rcode, answers, authorities: answers.length === 0 ? [soaOf(zone)] : [] }
}

function withoutEnd(text: string, end: string): string | undefined {
  return text.endsWith(end) ? text.slice(0, -end.length) : undefined
}

/** `web`, or `<id>.web`; undefined where there is no such thing. An id may have dots. */
function instancesOf(name: string, zone: ServiceZone): DesiredInstance[] | undefined {
  const at = name.lastIndexOf('.')
  const upstream = zone.desired().upstreams.get(name.slice(at + 1))
  if (upstream === undefined) {
    return undefined
  }
  const conditions = zone.conditionsOf(upstream.name)
  const isUp = (one: DesiredInstance) => instanceState(one, conditions.get(one.id)).state === 'up'
  const all = [...upstream.instances.values()]
  if (at >= 0) {
    const one = all.find(({ id }) => id.toLowerCase() === name.slice(0, at))
    return one && [one].filter(isUp)
  }
  const up = all.filter(isUp)
  const first = up.filter(({ record }) => record.backup !== true)
  return first.length > 0 ? first : up
}

function addressRecords(name: string, type: string, hosts: string[]): Answer[] {
  const wanted = hosts.filter((host) => host.includes(':') === (type === 'AAAA'))
  return type === 'A' || type === 'AAAA'
    ? wanted.map((data) => ({ type, name, ttl: TTL_S, data }))
    : []
}

/** Ids are not always names of hosts, so the target says the address, as Consul's does. */
function serviceRecord(name: string, { record }: DesiredInstance, { zone }: ServiceZone): Answer {
  const { host, port, weight } = record
  const hex = Buffer.from(parseIp(host) ?? []).toString('hex')
  const target = `${hex}.addr.${zone}`
  return { type: 'SRV', name, ttl: TTL_S, data: { target, port, priority: 1, weight } }
}

/** `0a000007` → 10.0.0.7 */
function addressOf(hex: string): string | undefined {
  const isAddress = /^([0-9a-f]{8}|[0-9a-f]{32})$/.test(hex)
  return isAddress ? printIp([...Buffer.from(hex, 'hex')]) : undefined
}

function soaOf({ zone, desired }: ServiceZone): Answer {
  return {
    ...{ type: 'SOA', name: zone, ttl: NEGATIVE_TTL_S },
    data: {
      ...{ mname: `ns.${zone}`, rname: `hostmaster.${zone}`, serial: desired().revision >>> 0 },
      ...{ refresh: 3600, retry: 600, expire: 86_400, minimum: NEGATIVE_TTL_S },
    },
  }
}

function shuffled<T>(items: T[]): T[] {
  const order = items.map((item) => ({ item, at: Math.random() }))
  return order.sort((a, b) => a.at - b.at).map(({ item }) => item)
}
