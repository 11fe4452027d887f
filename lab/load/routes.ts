/** Changes routes while a load runs. */
import { Churner } from './churner.js'
import type { Rig } from './rig.js'

/**
 * Routes to one upstream that come, change and go, at the host at which it answers anyway; or the
 * one that leads connections to it, which only changes. Whatever they are just now, every request
 * there is for that upstream; `decoy` is one that none may reach.
 */
export class RouteChurner extends Churner {
  readonly #rig: Rig
  readonly #upstream: string
  readonly #decoy: string
  readonly #match: object | undefined
  readonly #random: () => number
  /** Routes that were put and deleted. */
  changes = 0

  /** `match`: which connections are meant, `{port, protocol}` or `{sni}`; absent: the host's. */
  constructor(options: {
    rig: Rig
    upstream: string
    decoy: string
    match?: object
    random: () => number
  }) {
    super()
    this.#rig = options.rig
    this.#upstream = options.upstream
    this.#decoy = options.decoy
    this.#match = options.match
    this.#random = options.random
  }

  #shapes(): object[] {
    const own = { upstream: this.#upstream }
    const never = { headers: { 'x-never': '1' } }
    const stick = { by: 'hash', key: 'address' }
    const split = [{ ...own, weight: 3 }]
    if (this.#match !== undefined) {
      return [own, { split }]
    }
    return [
      own,
      { split },
      { split, stick },
      { split: [...split, { ...own, weight: 1, where: { none: 'such' } }] },
      { split: [...split, { upstream: this.#decoy, when: never }] },
      { ...never, upstream: this.#decoy },
      { pathPrefix: '/never', upstream: this.#decoy },
    ]
  }

  async put(): Promise<void> {
    const shapes = this.#shapes()
    const shape = shapes[Math.floor(this.#random() * shapes.length)]
    const match = this.#match ?? { hosts: [`${this.#upstream}.localhost`] }
    await this.#rig.change('PUT', this.#path, { ...match, ...shape })
    this.changes += 1
  }

  protected override async step(): Promise<void> {
    for (let put = 0; put < 1 + Math.floor(this.#random() * 3); put++) {
      await this.put()
    }
    if (this.#match !== undefined) {
      return
    }
    await this.#rig.change('DELETE', this.#path)
    this.changes += 1
  }

  get #path(): string {
    return `/v1/routes/churned-${this.#upstream}`
  }
}
