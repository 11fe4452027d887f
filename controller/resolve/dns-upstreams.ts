/** Follows the names of all upstreams, and gives the state what they answer. */
import { join } from 'node:path'
import type { Logger } from '../../runtime/logger.js'
import type { Settings } from '../../runtime/config/settings.js'
import type { Desired, DesiredUpstream } from '../state/desired.js'
import type { ResolvedInstance } from '../state/known-records.js'
import type { BorderRules } from '../state/read-record.js'
import type { DnsNameView } from '../views.js'
import { resolveInstances } from './dns-instances.js'
import type { Resolved } from './dns-instances.js'
import { FollowedNames } from './followed-names.js'
import type { FollowedName } from './followed-names.js'
import { lookUp } from './look-up.js'
import { readResolvers } from './resolvers.js'

export interface DnsUpstreamsOptions {
  settings: Settings
  log: Logger
  rules: BorderRules
  /** All instances that the names of an upstream answer now. */
  onResolved: (upstream: string, instances: ReadonlyMap<string, ResolvedInstance>) => void
  /** Something was resolved, after the call that asked for it. */
  onChange: () => void
}

interface Known extends Resolved {
  /** Names and instances as text, to see whether they are others. */
  asked: string
  printed: string
}

/** For how long a start waits for answers of names that nothing is known of. */
const START_MS = 5000

export class DnsUpstreams {
  readonly #options: DnsUpstreamsOptions
  readonly #names: FollowedNames
  readonly #known = new Map<string, Known>()
  #upstreams: Desired['upstreams'] | undefined
  #startTimer: NodeJS.Timeout | undefined
  #isSettled = false

  constructor(options: DnsUpstreamsOptions) {
    this.#options = options
    const { settings, log } = options
    this.#names = new FollowedNames({
      ...{ path: join(settings.home, 'dns-answers.json'), log },
      lookUp: (name, type) => lookUp(name, type, readResolvers(settings.resolvers)),
      onAnswer: () => this.#answered(),
    })
  }

  /**
   * True once something is known of each name that upstreams had at the start, or it took too long.
   * Before that, what they lack says nothing.
   */
  get isSettled(): boolean {
    return this.#isSettled
  }

  /** Takes the registry's upstreams. What their names answer is given before this returns. */
  follow(upstreams: Desired['upstreams']): void {
    if (this.#upstreams === upstreams) {
      return
    }
    this.#upstreams = upstreams
    for (const name of [...this.#known.keys()].filter((name) => !upstreams.get(name)?.dns)) {
      this.#known.delete(name)
      this.#options.onResolved(name, new Map())
    }
    upstreams.forEach((upstream) => this.#resolve(upstream))
    this.#retain()
    this.#settle()
  }

  /** How the names of an upstream stand. */
  namesOf(upstream: string): DnsNameView[] {
    const { names = [], refused = [] } = this.#known.get(upstream) ?? {}
    const views = [...new Set(names)].map(viewOf)
    return refused.length === 0 ? views : views.map((view) => withRefused(view, refused))
  }

  /** Of all upstreams that have names. */
  views(): Map<string, DnsNameView[]> {
    return new Map([...this.#known.keys()].map((name) => [name, this.namesOf(name)]))
  }

  close(): void {
    clearTimeout(this.#startTimer)
    this.#names.close()
  }

  #answered(): void {
    const wasSettled = this.#isSettled
    let isChanged = false
    for (const upstream of this.#upstreams?.values() ?? []) {
      isChanged = this.#resolve(upstream) || isChanged
    }
    this.#retain()
    this.#settle()
    if (isChanged || wasSettled !== this.#isSettled) {
      this.#options.onChange()
    }
  }

  /** Whether that is other than before. */
  #resolve({ name, dns, instances: known }: DesiredUpstream): boolean {
    if (dns === undefined) {
      return false
    }
    const { rules, log, onResolved } = this.#options
    const before = this.#known.get(name)
    const found = resolveInstances(dns, (one, type) => this.#names.get(one, type), rules)
    // Until all is asked for, and where nothing is left of what was, the last stays.
    const isWhole = found.names.every((one) => one.state !== 'unasked' || one.records !== undefined)
    const isSame = before?.asked === JSON.stringify(dns)
    const isKept = before !== undefined && (!isWhole || (isSame && found.instances.size === 0))
    const instances = isKept ? before.instances : found.instances
    const asked = isWhole || before === undefined ? JSON.stringify(dns) : before.asked
    const printed = JSON.stringify([...instances])
    this.#known.set(name, { ...found, instances, asked, printed })
    if (found.refused.join() !== (before?.refused ?? []).join()) {
      log.warn({ upstream: name, refused: found.refused }, 'addresses of DNS are refused')
    }
    // The record may have been deleted and put again, and what was given went with it.
    const isThere = [...instances.keys()].every((id) => known.has(id))
    if (before?.printed === printed && isThere) {
      return false
    }
    onResolved(name, instances)
    return true
  }

  #retain(): void {
    this.#names.retain(new Set([...this.#known.values()].flatMap(({ names }) => names)))
  }

  #settle(): void {
    const isOpen = (one: FollowedName) => one.state === 'unasked' && one.records === undefined
    if (this.#isSettled || !this.#names.all().some(isOpen)) {
      this.#isSettled = true
      clearTimeout(this.#startTimer)
      return
    }
    this.#startTimer ??= setTimeout(() => {
      this.#isSettled = true
      this.#options.onChange()
    }, START_MS)
  }
}

function viewOf({
  name,
  type,
  state,
  reason,
  sinceAtMs,
  goodAtMs,
  records,
}: FollowedName): DnsNameView {
  return {
    ...{ name: name.replace(/\.$/, ''), type, state, records: records?.length ?? 0 },
    ...(reason !== undefined && { reason }),
    ...(sinceAtMs !== undefined && { sinceAtMs }),
    ...(goodAtMs !== undefined && { answeredAtMs: goodAtMs }),
  }
}

/** What a name answers and may not serve is as good as no answer. */
function withRefused(view: DnsNameView, refused: string[]): DnsNameView {
  return { ...view, reason: view.reason ?? refused.slice(0, 3).join('; ') }
}
