import { Churner } from './load-churner.js'
import type { Rig } from './load-rig.js'

/**
 * Routes to one upstream that come, change and go, at the host at which it answers anyway. Whatever they are just now, every request for
 * that host is for that upstream; `decoy` is one that no request may reach.
 */
export class RouteChurner extends Churner {
  readonly #rig: Rig
  readonly #upstream: string
  readonly #decoy: string
  readonly #random: () => number
  /** Routes that were put and deleted. */
  changes = 0

  constructor(options: { rig: Rig; upstream: string; decoy: string; random: () => number }) {
    super()
    this.#rig = options.rig
    this.#upstream = options.upstream
    this.#decoy = options.decoy
    this.#random = options.random
  }

  #shapes(): object[] {
    const own = { upstream: this.#upstream }
    const never = { headers: { 'x-never': '1' } }
    const stick = { by: 'hash', key: 'address' }
    const split = [{ ...own, weight: 3 }]
    return [
      own,
      { split },
      { split, stick },
      { split: [...split, { upstream: this.#decoy, when: never }] },
      { split: [...split, { ...own, weight: 1, where: { none: 'such' } }] },
      { ...never, upstream: this.#decoy },
      { pathPrefix: '/never', upstream: this.#decoy },
    ]
  }

  protected override async step(): Promise<void> {
    const path = `/v1/routes/churned-${this.#upstream}`
    const hosts = [`${this.#upstream}.localhost`]
    const shapes = this.#shapes()
    for (let put = 0; put < 1 + Math.floor(this.#random() * 3); put++) {
      const shape = shapes[Math.floor(this.#random() * shapes.length)]
      await this.#rig.change('PUT', path, { hosts, ...shape })
      this.changes += 1
    }
    await this.#rig.change('DELETE', path)
    this.changes += 1
  }
}
