/** Starts, drains and moves instances while a load runs. */
import type { Pem } from '../engines/certificates.js'
import { monotonicMs } from './ledger.js'
import type { ClosedWindow } from './ledger.js'
import type { Backends } from './backends.js'
import { Churner } from './churner.js'
import type { Rig } from './rig.js'

interface Slot {
  id: string
  host: string
  port: number
  /**
   * The backend that it stands for, by the name in the ledgers; undefined when it is not
   * registered.
   */
  instance: string | undefined
}

export type Deed = 'add' | 'retire' | 'undrain' | 'remove' | 'move' | 'weigh'

const DRAIN_MS = 10_000

/**
 * The instances of one upstream. At least one serves at any time, and a backend is stopped only
 * when its drain said that it may be.
 */
export class InstanceChurner extends Churner {
  readonly #rig: Rig
  readonly #backends: Backends
  readonly #upstream: string
  readonly #random: () => number
  readonly #pem: Pem | undefined
  readonly #slots: Slot[]
  #serial = 0
  /** What may not be reached, and when. */
  readonly windows: ClosedWindow[] = []
  readonly deeds: Record<Deed, number> = {
    add: 0,
    retire: 0,
    undrain: 0,
    remove: 0,
    move: 0,
    weigh: 0,
  }

  /**
   * `network`: the third part of the 127.x addresses, for this upstream alone. `pem`: of backends
   * that speak TLS.
   */
  constructor(options: {
    rig: Rig
    backends: Backends
    upstream: string
    network: number
    slots: number
    random: () => number
    pem?: Pem | undefined
  }) {
    super()
    this.#rig = options.rig
    this.#backends = options.backends
    this.#upstream = options.upstream
    this.#random = options.random
    this.#pem = options.pem
    this.#slots = Array.from({ length: options.slots }, (_, index) => {
      const host = `127.6.${options.network}.${index + 1}`
      return { id: `i${index}`, host, port: 0, instance: undefined }
    })
  }

  /** Registers the first instances. */
  async begin(): Promise<void> {
    for (const slot of this.#slots.slice(0, 3)) {
      await this.#add(slot)
    }
  }

  protected override async step(): Promise<void> {
    const serving = this.#slots.filter(({ instance }) => instance !== undefined)
    const idle = this.#slots.filter(({ instance }) => instance === undefined)
    const slot = this.#draw(serving)
    const fresh = this.#draw(idle)
    if (fresh !== undefined && (serving.length < 2 || this.#random() < 0.35)) {
      await this.#add(fresh)
    } else if (slot !== undefined) {
      await this.#change(slot)
    }
  }

  #draw<T>(items: T[]): T | undefined {
    return items[Math.floor(this.#random() * items.length)]
  }

  async #change(slot: Slot): Promise<void> {
    const deeds = [this.#retire, this.#retire, this.#undrain, this.#remove, this.#move, this.#weigh]
    const deed = this.#draw(deeds) ?? this.#weigh
    await deed.call(this, slot)
  }

  async #add(slot: Slot): Promise<void> {
    slot.instance = await this.#openBackend(slot)
    await this.#put(slot)
    this.deeds.add += 1
  }

  /** Half of the time at the address that it had before. */
  async #openBackend(slot: Slot): Promise<string> {
    const instance = `${this.#upstream}-${slot.id}-${++this.#serial}`
    const port = this.#random() < 0.5 ? slot.port : 0
    const question = { upstream: this.#upstream, instance, host: slot.host, pem: this.#pem }
    slot.port = await this.#backends.open({ ...question, port })
    return instance
  }

  /**
   * A drain outlives the instance that it was made for, so the next one of that id may need to be
   * let in.
   */
  async #put({ id, host, port }: Slot): Promise<void> {
    const { state } = await this.#rig.change('PUT', this.#path(id), { host, port })
    if (state === 'draining') {
      await this.#rig.change('POST', `${this.#path(id)}/undrain`)
    }
  }

  async #retire(slot: Slot): Promise<void> {
    const window = await this.#drain(slot)
    await this.#backends.close(window.instance)
    await this.#rig.change('DELETE', this.#path(slot.id))
    slot.instance = undefined
    this.deeds.retire += 1
  }

  async #undrain(slot: Slot): Promise<void> {
    const window = await this.#drain(slot)
    window.untilMs = monotonicMs()
    await this.#rig.change('POST', `${this.#path(slot.id)}/undrain`)
    this.deeds.undrain += 1
  }

  /** Now and then in two calls: the first one's answer alone must keep new requests away. */
  async #drain(slot: Slot): Promise<ClosedWindow> {
    const path = `${this.#path(slot.id)}/drain`
    const early = this.#random() < 0.5
    if (early) {
      await this.#rig.change('POST', path, {})
    }
    const fromMs = monotonicMs()
    const answer = await this.#rig.change('POST', path, { waitMs: DRAIN_MS })
    if (answer.state !== 'draining' || answer.drained !== true || answer.active !== 0) {
      throw new Error(`${path} answered ${JSON.stringify(answer)}`)
    }
    const window = this.#close(slot)
    if (early) {
      window.fromMs = fromMs
    }
    return window
  }

  /** Its backend stays, for what is in flight; nothing new may come. */
  async #remove(slot: Slot): Promise<void> {
    await this.#rig.change('DELETE', this.#path(slot.id))
    this.#close(slot)
    slot.instance = undefined
    slot.port = 0
    this.deeds.remove += 1
  }

  async #move(slot: Slot): Promise<void> {
    const old = { ...slot }
    slot.port = 0
    slot.instance = await this.#openBackend(slot)
    await this.#put(slot)
    this.#close(old)
    this.deeds.move += 1
  }

  async #weigh(slot: Slot): Promise<void> {
    const weight = 1 + Math.floor(this.#random() * 9)
    await this.#rig.change('PATCH', this.#path(slot.id), { weight })
    this.deeds.weigh += 1
  }

  #close({ instance }: Slot): ClosedWindow {
    const window = { instance: instance ?? '', fromMs: monotonicMs() }
    this.windows.push(window)
    return window
  }

  #path(id: string): string {
    return `/v1/upstreams/${this.#upstream}/instances/${id}`
  }
}
