/** Angie's labels: `angie.http.upstreams.<u>.port` and its like, which lead no host. Pure. */
import { isWhole } from '../../contract/guard/names.js'
import { guardUpstream } from '../../contract/record/upstream-record.js'
import type { UpstreamRecord } from '../../contract/record/upstream-record.js'
import type { Container } from '../engine/container.js'
import type { Dialect } from './dialect.js'
import { MOST_INSTANCES } from './label-limits.js'
import { LeftOut } from './left-out.js'
import type { Offer, Offers } from './offer.js'
import { PLAIN_OFFER, nameOffer } from './offer-name.js'

const LABEL = /^angie\.(http|stream)\.upstreams\.(.+)\.([a-z_]+)$/
const KNOWN = 'port weight max_conns max_fails fail_timeout slow_start sid backup network'.split(
  ' ',
)
const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A time as nginx reads it: `10s`, `1m30s`, `10` (seconds) → milliseconds. */
function nginxTime(text: string): number | undefined {
  if (!/^(\d{1,9}(ms|[smhd])?)+$/.test(text)) {
    return undefined
  }
  const parts = [...text.matchAll(/(\d{1,9})(ms|[smhd])?/g)]
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS[unit ?? 's'] ?? 0), 0)
}

interface Group {
  /** `angie.http.upstreams.web` */
  prefix: string
  kind: string
  upstream: string
  fields: Map<string, string>
}

function groupsOf({ labels }: Container, leftOut: LeftOut): Group[] {
  const groups = new Map<string, Group>()
  for (const [label, value] of Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [, kind = '', upstream = '', field = ''] = LABEL.exec(label) ?? []
    if (!KNOWN.includes(field)) {
      if (label.startsWith('angie.') && label !== 'angie.network') {
        leftOut.add(label)
      }
      continue
    }
    const prefix = `angie.${kind}.upstreams.${upstream}`
    const group = groups.get(prefix) ?? { prefix, kind, upstream, fields: new Map() }
    groups.set(prefix, group)
    group.fields.set(field, value.trim())
  }
  return [...groups.values()]
}

/** Reads numbers of one group, and says what is wrong with each. */
function numberIn({ prefix, fields }: Group, field: string, least: number, most: number) {
  return (problems: string[]): number | undefined => {
    const text = fields.get(field)
    const value = /^\d{1,6}$/.test(text ?? '') ? Number(text) : NaN
    if (text === undefined) {
      return undefined
    }
    if (!isWhole(value, least, most)) {
      const shown = JSON.stringify(text.slice(0, 64))
      problems.push(`${prefix}.${field} ${shown} must be a whole number from ${least} to ${most}`)
    }
    return value
  }
}

function timeIn({ prefix, fields }: Group, field: string, problems: string[]): number | undefined {
  const text = fields.get(field)
  const ms = nginxTime(text ?? '')
  if (text !== undefined && ms === undefined) {
    problems.push(`${prefix}.${field} ${JSON.stringify(text.slice(0, 64))} must be a time as 10s`)
  }
  return ms
}

/** Angie has them for each server, Sluice for the upstream. */
function settingsOf(group: Group, problems: string[]): UpstreamRecord | undefined {
  const maxFails = numberIn(group, 'max_fails', 0, 1000)(problems)
  const failTimeoutMs = timeIn(group, 'fail_timeout', problems)
  const slowStartMs = timeIn(group, 'slow_start', problems)
  const eject = {
    ...(maxFails !== undefined && { maxFails }),
    ...(failTimeoutMs !== undefined && { failTimeoutMs }),
  }
  const policy = {
    ...(Object.keys(eject).length > 0 && { eject }),
    ...(slowStartMs !== undefined && { slowStartMs }),
  }
  if (Object.keys(policy).length === 0 || problems.length > 0) {
    return undefined
  }
  const guarded = guardUpstream({ policy })
  if (!guarded.ok) {
    problems.push(`${group.prefix}: ${guarded.field} ${guarded.message}`)
    return undefined
  }
  return guarded.value
}

function offerOf(group: Group, problems: string[]): Offer {
  const { prefix, upstream, fields } = group
  const [, digits, transport] = /^(\d{1,5})(?:\/(tcp|udp))?$/.exec(fields.get('port') ?? '') ?? []
  const port = Number(digits)
  if (!isWhole(port, 1, 65535)) {
    const shown = JSON.stringify((fields.get('port') ?? '').slice(0, 64))
    problems.push(`${prefix}.port ${shown} must be a port from 1 to 65535`)
  }
  const backup = fields.get('backup')?.toLowerCase() ?? 'false'
  if (!['true', 'false'].includes(backup)) {
    problems.push(`${prefix}.backup must be true or false`)
  }
  const sid = fields.get('sid')
  return {
    ...PLAIN_OFFER,
    ...nameOffer(upstream, prefix, problems),
    ...{ source: prefix, port, transport: transport === 'udp' ? 'udp' : 'tcp', routes: [] },
    weight: numberIn(group, 'weight', 1, 1000)(problems) ?? 1,
    // 0 is no limit, as in nginx.
    maxConns: numberIn(group, 'max_conns', 0, 65535)(problems) || undefined,
    ...{ backup: backup === 'true', network: fields.get('network') },
    settings: settingsOf(group, problems),
    metadata: sid === undefined ? {} : { sid },
  }
}

function read(container: Container): Offers {
  const leftOut = new LeftOut()
  const refused: string[] = []
  const groups = groupsOf(container, leftOut)
  const problems: string[] = []
  const offers: Offer[] = []
  const known = new Set<string>()
  // One more than there may be: then all of it is refused.
  for (const group of groups.slice(0, MOST_INSTANCES + 1)) {
    const { prefix, upstream, fields } = group
    if (!fields.has('port')) {
      leftOut.add(prefix, 'it has no port, so it is in no upstream, as there')
    } else if (known.has(upstream)) {
      refused.push(`${prefix}: another kind of upstream has that name, and here they are one`)
    } else {
      known.add(upstream)
      if (fields.has('sid')) {
        leftOut.add(`${prefix}.sid`, 'kept as metadata; sessions know instances by their ids')
      }
      offers.push(offerOf(group, problems))
    }
  }
  const network = container.labels['angie.network']
  return { offers, network, problems, refused, warnings: leftOut.warnings('angie') }
}

/** A port of an upstream asks. */
export const angie: Dialect = {
  asks: ({ labels }) => Object.keys(labels).some((label) => LABEL.exec(label)?.[3] === 'port'),
  read,
}
