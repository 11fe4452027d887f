/** The `sluice.*` labels of a container → what it offers, before an address is chosen. Pure. */
import type { Transport } from '../../contract/record/stream-route.js'
import { isHostPattern, isName, isPathPrefix, isWhole } from '../../contract/guard/names.js'
import { checkUpstream } from '../../contract/record/records.js'
import type { UpstreamRecord } from '../../contract/record/records.js'
import { spellHost } from '../../contract/record/route-match.js'
import { nearest } from '../../runtime/config/nearest.js'
import { parseDuration } from '../../runtime/duration.js'
import type { Container } from '../engine/container.js'
import { FOLD_RULE, nameOf } from './fold-name.js'

/** One port that wants to be an instance. */
export interface Offer {
  /** Which labels say so: `sluice`, `sluice.admin`, `SERVICE_80_NAME`. */
  source: string
  upstream: string
  /** The upstream's name as it was given, before it was folded. */
  given: string
  /** Whether somebody chose the upstream's name. */
  isNamed: boolean
  /** Where the upstream's name is from, for people. */
  upstreamWhy: string
  /** Container side; undefined: to be chosen. */
  port: number | undefined
  transport: Transport
  weight: number
  /** undefined: no limit. */
  maxConns: number | undefined
  backup: boolean
  zone: string | undefined
  /** Hosts that want a route to the upstream. */
  hosts: string[]
  pathPrefix: string
  /** Whether instances are asked without the path prefix. */
  stripPrefix: boolean
  /** The gateway's ports that lead to the upstream. */
  ports: Array<{ protocol: Transport; port: number }>
  /** What the upstream is set to, if it has no settings yet; undefined: nothing. */
  settings: UpstreamRecord | undefined
  /** Instance id, where the labels name one. */
  id: string | undefined
  metadata: Record<string, string>
}

/** What the labels say. With a problem, nothing of the container is registered. */
export interface Offers {
  offers: Offer[]
  /** Name of the network to be reached on. */
  network: string | undefined
  problems: string[]
  warnings: string[]
}

type Fields = Map<string, string>

const PREFIX = 'sluice.'
/** What an instance has; alone, the default of the named ones. */
const TRAITS = ['weight', 'max-conns', 'backup', 'zone']
const PLACES = ['upstream', 'port', 'host', 'path', 'strip-prefix', 'tcp-port', 'udp-port']
/** What the upstream has. */
const SETTINGS = ['protocol', 'policy', 'check-path']
const NAMED = [...PLACES, ...TRAITS, ...SETTINGS]
const ALONE = ['enable', 'network', 'drain', ...NAMED]
const MOST_HOSTS = 64
/** As long as a drain may wait. */
const LONGEST_DRAIN_MS = 600_000

/** `5s`, `1500ms`, `2m` → milliseconds; undefined when it is no duration, or too long. */
function drainTimeOf(text: string): number | undefined {
  const ms = parseDuration(text)
  return ms !== undefined && ms <= LONGEST_DRAIN_MS ? ms : undefined
}

/** Whether any `sluice.*` label is there that Sluice knows; `sluice.enable=false` counts too. */
export function hasSluiceLabels(container: Container): boolean {
  return Object.keys(container.labels).some((key) => key.startsWith(PREFIX) && isKnown(key))
}

function isKnown(key: string): boolean {
  const [first = '', second, ...more] = key.slice(PREFIX.length).split('.')
  return second === undefined
    ? ALONE.includes(first)
    : more.length === 0 && nameOf(first) !== undefined && NAMED.includes(second)
}

/** A warning for each `sluice.*` label that Sluice does not know. It asks for nothing. */
export function unknownLabels(container: Container): string[] {
  const unknown = Object.keys(container.labels).filter(
    (key) => key.startsWith(PREFIX) && !isKnown(key),
  )
  return unknown.sort().map((key) => {
    const parts = key.slice(PREFIX.length).split('.')
    const last = nearest(parts.at(-1) ?? '', parts.length === 1 ? ALONE : NAMED)
    const meant = [...parts.slice(0, -1), last].join('.')
    const isHelp = last !== undefined && parts.length < 3 && `${PREFIX}${meant}` !== key
    const hint = !isHelp ? '' : `; the nearest is ${PREFIX}${meant}`
    return `${key.slice(0, 100)} is no label that Sluice knows${hint}`
  })
}

/** True for `sluice.enable=false`: the container is left alone, whatever else it says. */
export function isDisabled(container: Container): boolean {
  return container.labels['sluice.enable']?.trim().toLowerCase() === 'false'
}

/** True when `sluice.enable=true` is all that the labels say. */
export function isOnlyEnabled(container: Container): boolean {
  const keys = Object.keys(container.labels).filter((key) => key.startsWith(PREFIX) && isKnown(key))
  const enable = container.labels['sluice.enable']?.trim().toLowerCase()
  return keys.length === 1 && enable === 'true'
}

interface Groups {
  alone: Fields
  named: Map<string, Fields>
}

function group(labels: Container['labels']): Groups {
  const groups: Groups = { alone: new Map(), named: new Map() }
  const keys = Object.keys(labels).filter((key) => key.startsWith(PREFIX) && isKnown(key))
  for (const key of keys.sort()) {
    const value = (labels[key] ?? '').trim()
    const [first = '', second] = key.slice(PREFIX.length).split('.')
    if (second === undefined) {
      groups.alone.set(first, value)
    } else {
      const fields = groups.named.get(first) ?? new Map<string, string>()
      groups.named.set(first, fields.set(second, value))
    }
  }
  return groups
}

interface GivenName {
  text: string
  why: string
  isNamed: boolean
}

function defaultName({ name, labels }: Container): GivenName {
  const project = labels['com.docker.compose.project']
  const service = labels['com.docker.compose.service']
  return project === undefined || service === undefined
    ? { text: name, why: "the container's name, as sluice.upstream is not set", isNamed: false }
    : {
        text: `${project}-${service}`,
        why: 'the compose project and service, as sluice.upstream is not set',
        isNamed: false,
      }
}

class Reader {
  readonly problems: string[] = []
  readonly #fields: Fields
  readonly #prefix: string

  constructor(fields: Fields, prefix: string) {
    this.#fields = fields
    this.#prefix = prefix
  }

  refuse(field: string, message: string): void {
    const value = JSON.stringify((this.#fields.get(field) ?? '').slice(0, 64))
    this.problems.push(`${this.#prefix}${field} ${value} ${message}`)
  }

  whole(field: string, most: number): number | undefined {
    const text = this.#fields.get(field)
    if (text === undefined) {
      return undefined
    }
    const value = /^\d{1,6}$/.test(text) ? Number(text) : NaN
    if (!isWhole(value, 1, most)) {
      this.refuse(field, `must be a whole number from 1 to ${most}`)
    }
    return value
  }

  flag(field: string): boolean {
    const text = this.#fields.get(field)?.toLowerCase()
    if (text !== undefined && text !== 'true' && text !== 'false') {
      this.refuse(field, 'must be true or false')
    }
    return text === 'true'
  }

  name(field: string): string | undefined {
    const text = this.#fields.get(field)
    if (text !== undefined && !isName(text)) {
      this.refuse(field, 'must be 1 to 63 of a-z, 0-9 and - inside')
    }
    return text
  }

  hosts(): string[] {
    const text = this.#fields.get('host')
    const hosts = (text === undefined ? [] : text.split(',')).flatMap((host) =>
      spellHost(host.trim()),
    )
    if (hosts.length > MOST_HOSTS) {
      this.refuse('host', `names more than ${MOST_HOSTS} hosts`)
    } else if (!hosts.every(isHostPattern)) {
      this.refuse(
        'host',
        'must be a host name such as app.example.com, *.example.com or www.example.*, ' +
          'or several with commas',
      )
    }
    return [...new Set(hosts)]
  }

  pathPrefix(): string {
    const path = this.#fields.get('path') ?? '/'
    if (!isPathPrefix(path)) {
      this.refuse('path', 'must be / or a path such as /api, without % and without a trailing /')
    } else if (this.#fields.has('path') && !this.#fields.has('host')) {
      this.refuse('path', `needs ${this.#prefix}host beside it`)
    }
    return path
  }

  port(): { port: number | undefined; transport: Transport } {
    const text = this.#fields.get('port')
    const match = /^(\d{1,6})(?:\/(tcp|udp))?$/.exec(text ?? '')
    const port = Number(match?.[1])
    if (text !== undefined && !isWhole(port, 1, 65535)) {
      this.refuse('port', 'must be a whole number from 1 to 65535, which /udp may follow')
    }
    const transport = match?.[2] === 'udp' ? 'udp' : 'tcp'
    return { port: text === undefined ? undefined : port, transport }
  }

  /** Ports of the gateway. */
  gatewayPorts(): Offer['ports'] {
    return (['tcp', 'udp'] as const).flatMap((protocol) => {
      const port = this.whole(`${protocol}-port`, 65535)
      return port === undefined ? [] : [{ protocol, port }]
    })
  }

  settings(): UpstreamRecord | undefined {
    const [protocol, balance, path] = SETTINGS.map((field) => this.#fields.get(field))
    if (protocol === undefined && balance === undefined && path === undefined) {
      return undefined
    }
    const check = path === undefined ? {} : { check: { type: 'http', path } }
    const policy = { ...(balance !== undefined && { balance }), ...check }
    const checked = checkUpstream({ policy, ...(protocol !== undefined && { protocol }) })
    if (checked.ok) {
      return checked.value
    }
    const labels = { 'policy.check.path': 'check-path', 'policy.balance': 'policy' }
    const label = Object.entries(labels).find(([field]) => field === checked.field)?.[1]
    this.refuse(label ?? 'protocol', checked.message)
    return undefined
  }

  stripPrefix(): boolean {
    const isWanted = this.flag('strip-prefix')
    if (isWanted && !this.#fields.has('path')) {
      this.refuse('strip-prefix', `needs ${this.#prefix}path beside it`)
    }
    return isWanted
  }

  upstream(
    otherwise: () => GivenName,
  ): Pick<Offer, 'upstream' | 'upstreamWhy' | 'given' | 'isNamed'> {
    const text = this.#fields.get('upstream')
    const label = `${this.#prefix}upstream`
    const given = text === undefined ? otherwise() : { text, why: label, isNamed: true }
    const upstream = nameOf(given.text)
    const shown = JSON.stringify(given.text.slice(0, 80))
    if (upstream === undefined) {
      const what = text === undefined ? `${shown} (${given.why})` : `${label} ${shown}`
      this.problems.push(`${what} must be 1 to 63 of a-z, 0-9 and - inside, after ${FOLD_RULE}`)
    }
    const folded = upstream === given.text ? '' : `, folded from ${shown}: ${FOLD_RULE}`
    return {
      ...{ upstream: upstream ?? '', given: given.text, isNamed: given.isNamed },
      upstreamWhy: given.why + folded,
    }
  }
}

function readOffer(
  fields: Fields,
  prefix: string,
  otherwise: () => GivenName,
  problems: string[],
): Offer {
  const reader = new Reader(fields, prefix)
  const offer = {
    source: prefix.slice(0, -1),
    ...reader.upstream(otherwise),
    ...reader.port(),
    weight: reader.whole('weight', 1000) ?? 1,
    maxConns: reader.whole('max-conns', 65535),
    backup: reader.flag('backup'),
    zone: reader.name('zone'),
    hosts: reader.hosts(),
    pathPrefix: reader.pathPrefix(),
    stripPrefix: reader.stripPrefix(),
    ports: reader.gatewayPorts(),
    settings: reader.settings(),
    id: undefined,
    metadata: {},
  }
  problems.push(...reader.problems)
  return offer
}

function guardAlone(alone: Fields, problems: string[]): void {
  const enable = alone.get('enable')?.toLowerCase()
  if (enable !== undefined && enable !== 'true') {
    problems.push(`sluice.enable ${JSON.stringify(enable.slice(0, 64))} must be true or false`)
  }
  const drain = alone.get('drain')
  if (drain !== undefined && drainTimeOf(drain) === undefined) {
    const shown = JSON.stringify(drain.slice(0, 64))
    problems.push(`sluice.drain ${shown} must be a duration such as 5s or 500ms, at most 10m`)
  }
  if (alone.get('network') === '') {
    problems.push('sluice.network is empty')
  }
}

/** What the unnamed labels give to every offer of the container. */
function share(alone: Fields, offers: Offer[]): void {
  const drainMs = drainTimeOf(alone.get('drain') ?? '')
  for (const offer of offers) {
    if (drainMs !== undefined) {
      offer.metadata.drainMs = String(drainMs)
    }
  }
}

/**
 * The offers of `sluice.*`. The unnamed labels are one offer, unless there are named ones
 * (`sluice.<name>.port`) and nothing stands alone that says what or where. `sluice.weight`,
 * `max-conns`, `backup` and `zone` alone are the defaults of the named ones.
 */
export function readOffers(container: Container): Offers {
  const { alone, named } = group(container.labels)
  const problems: string[] = []
  guardAlone(alone, problems)
  const offers: Offer[] = []
  if (named.size === 0 || PLACES.some((key) => alone.has(key))) {
    offers.push(readOffer(alone, PREFIX, () => defaultName(container), problems))
  }
  const shared = [...alone].filter(([field]) => [...TRAITS, ...SETTINGS].includes(field))
  for (const [name, fields] of named) {
    const whole = new Map([...shared, ...fields])
    const why = `the name in sluice.${name}.*`
    const otherwise = (): GivenName => ({ text: name, why, isNamed: true })
    offers.push(readOffer(whole, `${PREFIX}${name}.`, otherwise, problems))
  }
  share(alone, offers)
  return { offers, network: alone.get('network'), problems, warnings: [] }
}
