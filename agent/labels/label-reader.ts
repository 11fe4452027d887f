/** Reads the values of `sluice.*` labels. Pure. */
import { isHostPattern, isName, isPathPrefix, isWhole } from '../../contract/guard/names.js'
import { guardUpstream } from '../../contract/record/upstream-record.js'
import type { UpstreamRecord } from '../../contract/record/upstream-record.js'
import { spellHost } from '../../contract/record/route-match.js'
import type { Transport } from '../../contract/record/stream-route.js'
import { FOLDED_NAME_RULE, foldName, printFolding } from '../../contract/guard/fold-name.js'
import { UPSTREAM_LABELS } from './label-names.js'
import type { LabelFields } from './label-names.js'
import type { Offer, OfferRoute } from './offer.js'

const MOST_HOSTS = 64

/** An upstream's name before it is folded. */
export interface GivenName {
  text: string
  why: string
  isNameChosen: boolean
}

/** Reads the labels of one offer, and says what is wrong with each. */
export class LabelReader {
  readonly problems: string[] = []
  readonly #fields: LabelFields
  readonly #prefix: string

  constructor(fields: LabelFields, prefix: string) {
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
      this.refuse(
        field,
        'must be 1 to 63 characters of a-z, 0-9 and -, and neither begin nor end with -',
      )
    }
    return text
  }

  /** To its hosts, and to ports of the gateway. */
  routes(): OfferRoute[] {
    const hosts = this.#hosts()
    const pathPrefix = this.#pathPrefix()
    const rewrite = this.#stripPrefix() ? { rewrite: { stripPrefix: true as const } } : {}
    return [
      ...hosts.map((host) => ({ hosts: [host], pathPrefix, ...rewrite })),
      ...this.#gatewayPorts(),
    ]
  }

  #hosts(): string[] {
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

  #pathPrefix(): string {
    const path = this.#fields.get('path') ?? '/'
    if (!isPathPrefix(path)) {
      this.refuse('path', 'must be / or a path such as /api, without % and without a trailing /')
    } else if (this.#fields.has('path') && !this.#fields.has('host')) {
      this.refuse('path', `needs the label ${this.#prefix}host as well`)
    }
    return path
  }

  port(): { port: number | undefined; transport: Transport } {
    const text = this.#fields.get('port')
    const match = /^(\d{1,6})(?:\/(tcp|udp))?$/.exec(text ?? '')
    const port = Number(match?.[1])
    if (text !== undefined && !isWhole(port, 1, 65535)) {
      this.refuse('port', 'must be a port from 1 to 65535, such as 8080 or 514/udp')
    }
    const transport = match?.[2] === 'udp' ? 'udp' : 'tcp'
    return { port: text === undefined ? undefined : port, transport }
  }

  #gatewayPorts(): OfferRoute[] {
    return (['tcp', 'udp'] as const).flatMap((protocol) => {
      const port = this.whole(`${protocol}-port`, 65535)
      return port === undefined ? [] : [{ protocol, port }]
    })
  }

  settings(): UpstreamRecord | undefined {
    const [protocol, balance, path] = UPSTREAM_LABELS.map((field) => this.#fields.get(field))
    if (protocol === undefined && balance === undefined && path === undefined) {
      return undefined
    }
    const check = path === undefined ? {} : { check: { type: 'http', path } }
    const policy = { ...(balance !== undefined && { balance }), ...check }
    const checked = guardUpstream({ policy, ...(protocol !== undefined && { protocol }) })
    if (checked.ok) {
      return checked.value
    }
    const labels = { 'policy.check.path': 'check-path', 'policy.balance': 'policy' }
    const label = Object.entries(labels).find(([field]) => field === checked.field)?.[1]
    this.refuse(label ?? 'protocol', checked.message)
    return undefined
  }

  #stripPrefix(): boolean {
    const isWanted = this.flag('strip-prefix')
    if (isWanted && !this.#fields.has('path')) {
      this.refuse('strip-prefix', `needs the label ${this.#prefix}path as well`)
    }
    return isWanted
  }

  upstream(
    otherwise: () => GivenName,
  ): Pick<Offer, 'upstream' | 'upstreamWhy' | 'given' | 'isNameChosen'> {
    const text = this.#fields.get('upstream')
    const label = `${this.#prefix}upstream`
    const given = text === undefined ? otherwise() : { text, why: label, isNameChosen: true }
    const upstream = foldName(given.text)
    const shown = JSON.stringify(given.text.slice(0, 80))
    if (upstream === undefined) {
      const what = text === undefined ? `${shown} (${given.why})` : `${label} ${shown}`
      this.problems.push(`${what} ${FOLDED_NAME_RULE}`)
    }
    const folded = printFolding(given.text, upstream)
    return {
      ...{ upstream: upstream ?? '', given: given.text, isNameChosen: given.isNameChosen },
      upstreamWhy: given.why + folded,
    }
  }
}
