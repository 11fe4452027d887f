/** The `sluice.*` labels of a container → what it offers, before an address is chosen. Pure. */
import { isHostPattern, isName, isPathPrefix, isWhole } from '../../contract/guard/names.js'
import { spellHost } from '../../contract/record/route-match.js'
import { parseDuration } from '../../runtime/duration.js'
import type { Container } from '../engine/container.js'

/** One port that wants to be an instance. */
export interface Offer {
  /** Which labels say so: `sluice`, `sluice.admin`, `SERVICE_80_NAME`. */
  source: string
  upstream: string
  /** Where the upstream's name is from, for people. */
  upstreamWhy: string
  /** Container side; undefined: to be chosen. */
  port: number | undefined
  weight: number
  /** undefined: no limit. */
  maxConns: number | undefined
  backup: boolean
  zone: string | undefined
  /** Hosts that want a route to the upstream. */
  hosts: string[]
  pathPrefix: string
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
const NAMED = ['upstream', 'port', 'host', 'path', ...TRAITS]
const ALONE = ['enable', 'network', 'drain', ...NAMED]
const MOST_HOSTS = 64
/** As long as a drain may wait. */
const LONGEST_DRAIN_MS = 600_000

/** `5s`, `1500ms`, `2m` → milliseconds; undefined when it is no duration, or too long. */
function drainTimeOf(text: string): number | undefined {
  const ms = parseDuration(text)
  return ms !== undefined && ms <= LONGEST_DRAIN_MS ? ms : undefined
}

/** Whether any `sluice.*` label is there; `sluice.enable=false` alone counts too. */
export function hasSluiceLabels(container: Container): boolean {
  return Object.keys(container.labels).some((key) => key.startsWith(PREFIX))
}

/** True for `sluice.enable=false`: the container is left alone, whatever else it says. */
export function isDisabled(container: Container): boolean {
  return container.labels['sluice.enable']?.trim().toLowerCase() === 'false'
}

/** True when `sluice.enable=true` is all that the labels say. */
export function isOnlyEnabled(container: Container): boolean {
  const keys = Object.keys(container.labels).filter((key) => key.startsWith(PREFIX))
  const enable = container.labels['sluice.enable']?.trim().toLowerCase()
  return keys.length === 1 && enable === 'true'
}

interface Groups {
  alone: Fields
  named: Map<string, Fields>
  warnings: string[]
}

function group(labels: Container['labels']): Groups {
  const groups: Groups = { alone: new Map(), named: new Map(), warnings: [] }
  const keys = Object.keys(labels).filter((key) => key.startsWith(PREFIX))
  for (const key of keys.sort()) {
    const value = (labels[key] ?? '').trim()
    const parts = key.slice(PREFIX.length).split('.')
    const [first = '', second = ''] = parts
    if (parts.length === 1 && ALONE.includes(first)) {
      groups.alone.set(first, value)
    } else if (parts.length === 2 && isName(first) && NAMED.includes(second)) {
      groups.named.set(
        first,
        (groups.named.get(first) ?? new Map<string, string>()).set(second, value),
      )
    } else {
      groups.warnings.push(`${key} is no label that Sluice knows`)
    }
  }
  return groups
}

/** `ghcr.io/acme/web-app:1.2@sha256:…` → `web-app` */
function imageBase(image: string): string {
  const path = image.split('@')[0] ?? ''
  return (path.split('/').pop() ?? '').split(':')[0] ?? ''
}

function defaultUpstream(container: Container): [name: string, why: string] {
  const compose = container.labels['com.docker.compose.service']
  return compose === undefined
    ? [imageBase(container.image), "the image's name, as sluice.upstream is not set"]
    : [compose, 'the compose service, as sluice.upstream is not set']
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

  upstream(otherwise: () => [name: string, why: string]): [name: string, why: string] {
    const text = this.#fields.get('upstream')
    const [name, why] = text === undefined ? otherwise() : [text, `${this.#prefix}upstream`]
    const shown = JSON.stringify(name.slice(0, 80))
    if (!isName(name)) {
      const what = text === undefined ? `${shown} (${why})` : `${why} ${shown}`
      this.problems.push(`${what} must be 1 to 63 of a-z, 0-9 and - inside`)
    }
    return [name, why]
  }
}

function readOffer(
  fields: Fields,
  prefix: string,
  otherwise: () => [string, string],
  problems: string[],
): Offer {
  const reader = new Reader(fields, prefix)
  const [upstream, upstreamWhy] = reader.upstream(otherwise)
  const offer = {
    source: prefix.slice(0, -1),
    upstream,
    upstreamWhy,
    port: reader.whole('port', 65535),
    weight: reader.whole('weight', 1000) ?? 1,
    maxConns: reader.whole('max-conns', 65535),
    backup: reader.flag('backup'),
    zone: reader.name('zone'),
    hosts: reader.hosts(),
    pathPrefix: reader.pathPrefix(),
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
 * (`sluice.<name>.port`) and none of upstream, port, host and path stands alone. `sluice.weight`,
 * `max-conns`, `backup` and `zone` alone are the defaults of the named ones.
 */
export function readOffers(container: Container): Offers {
  const { alone, named, warnings } = group(container.labels)
  const problems: string[] = []
  guardAlone(alone, problems)
  const offers: Offer[] = []
  if (named.size === 0 || ['upstream', 'port', 'host', 'path'].some((key) => alone.has(key))) {
    offers.push(readOffer(alone, PREFIX, () => defaultUpstream(container), problems))
  }
  const shared = [...alone].filter(([field]) => TRAITS.includes(field))
  for (const [name, fields] of named) {
    const whole = new Map([...shared, ...fields])
    const otherwise = (): [string, string] => [name, `the name in sluice.${name}.*`]
    offers.push(readOffer(whole, `${PREFIX}${name}.`, otherwise, problems))
  }
  share(alone, offers)
  return { offers, network: alone.get('network'), problems, warnings }
}
