import type { Rig } from './load-rig.js'

/**
 * Routes to one upstream that come, change and go as fast as they are answered, at the host at which it answers anyway. Whatever they
 * are just now, every request for that host is for that upstream; `decoy` is one that no request may reach.
 */
export class RouteChurner {
  readonly #rig: Rig
  readonly #upstream: string
  readonly #decoy: string
  readonly #random: () => number
  #stopping = false
  #done: Promise<void> | undefined
  /** Routes that were put and deleted. */
  changes = 0

  constructor(options: { rig: Rig; upstream: string; decoy: string; random: () => number }) {
    this.#rig = options.rig
    this.#upstream = options.upstream
    this.#decoy = options.decoy
    this.#random = options.random
  }

  start(): void {
    this.#done = this.#run()
    // Whoever stops it learns of its failure; until then it is no unhandled one.
    this.#done.catch(() => undefined)
  }

  /** Lets the change that is under way finish. Rejects with what a change failed of. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#done
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

  async #run(): Promise<void> {
    const path = `/v1/routes/churned-${this.#upstream}`
    const hosts = [`${this.#upstream}.localhost`]
    const shapes = this.#shapes()
    while (!this.#stopping) {
      for (let put = 0; put < 1 + Math.floor(this.#random() * 3); put++) {
        const shape = shapes[Math.floor(this.#random() * shapes.length)]
        await this.#rig.change('PUT', path, { hosts, ...shape })
        this.changes += 1
      }
      await this.#rig.change('DELETE', path)
      this.changes += 1
    }
  }
}
