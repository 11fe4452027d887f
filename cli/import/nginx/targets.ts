/** Where a `proxy_pass` leads → an upstream of Sluice. */
import { foldName } from '../../../contract/guard/fold-name.js'
import type { Directive } from '../../conf-check/parse-conf.js'
import type { Taken } from './taken.js'
import { idFor, parseAddress, readUpstreamBlock } from './upstream-block.js'

const PLAIN = /^(https?):\/\/([^/$]+)(\/[^$]*)?$/

export interface Target {
  upstream: string
  /** As it stands in the file: what nginx sends as Host where nothing else is said. */
  authority: string
  /** The path behind it; undefined: the client's. */
  path: string | undefined
}

/** The upstreams of a configuration, by the names that they have there. */
export class Targets {
  readonly #taken: Taken
  /** nginx's name → Sluice's; undefined where it is not taken. */
  readonly #names = new Map<string, string | undefined>()
  readonly #schemes = new Map<string, string>()

  constructor(taken: Taken) {
    this.#taken = taken
  }

  addBlock(block: Directive): void {
    const [given = ''] = block.args
    const name = foldName(given)
    if (name === undefined || this.#taken.upstreams.has(name)) {
      const why = name === undefined ? 'is no name of an upstream' : 'is the name of another one'
      this.#taken.leave(block, `${JSON.stringify(name ?? given)} ${why}: give it another`)
      this.#names.set(given.toLowerCase(), undefined)
      return
    }
    this.#names.set(given.toLowerCase(), name)
    const upstream = readUpstreamBlock(block, this.#taken)
    this.#taken.upstreams.set(name, upstream)
  }

  /** The target, or why it is none. */
  find(argument: string): Target | string {
    const [, scheme, authority = '', path] = PLAIN.exec(argument) ?? []
    if (scheme === undefined) {
      return 'its target is known only with a request, or is a socket'
    }
    const defaultPort = scheme === 'https' ? 443 : 80
    const name = authority.toLowerCase()
    const upstream = this.#names.has(name)
      ? this.#names.get(name)
      : this.#addAddress(name, defaultPort)
    if (upstream === undefined) {
      return this.#names.has(name)
        ? `the upstream ${authority} is not taken`
        : `${authority} is a name: nginx looks it up once, when it starts`
    }
    if ((this.#schemes.get(upstream) ?? scheme) !== scheme) {
      return `the upstream ${authority} is spoken to with and without TLS; Sluice has one way for each`
    }
    this.#schemes.set(upstream, scheme)
    const record = this.#taken.upstreams.get(upstream)
    if (scheme === 'https' && record !== undefined) {
      // As nginx: it verifies nothing where it is not told to.
      record.tls = { verify: false }
    }
    return { upstream, authority: name, path }
  }

  #addAddress(authority: string, defaultPort: number): string | undefined {
    const address = parseAddress(authority, defaultPort)
    const upstream = foldName(authority.replace(/[^a-z0-9]+/g, '-'))
    if (address === undefined || upstream === undefined) {
      return undefined
    }
    if (!this.#taken.upstreams.has(upstream)) {
      const instance = { id: idFor(address.host, address.port, []), ...address }
      const policy = { balance: 'roundRobin' }
      this.#taken.upstreams.set(upstream, { policy, instances: [instance] })
      if (/^(127\.|::1$)/.test(address.host)) {
        this.#taken.settings.set('SLUICE_ALLOW_LOOPBACK', 'true')
      }
    }
    this.#names.set(authority, upstream)
    return upstream
  }
}
