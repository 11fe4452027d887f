/** The other controller that has taken a gateway over: whether it still lives. */
import { OWNER_KEY } from '../../contract/push.js'
import type { GatewayClient } from './gateway-client.js'

/** A living owner gives a sign every two seconds. */
const DEAD_OWNER_MS = 10_000

export class OtherOwner {
  readonly #gateway: GatewayClient
  readonly #deadMs: number
  /** The last sign of life. */
  #sign = { text: '', seenAtMs: 0 }

  /** @param deadMs One that gives no sign for so long is gone. */
  constructor(gateway: GatewayClient, deadMs = DEAD_OWNER_MS) {
    this.#gateway = gateway
    this.#deadMs = deadMs
  }

  /** Whether the owner of this epoch is gone. Where nobody can say, it is not. Never rejects. */
  async isGone(epoch: number): Promise<boolean> {
    const signs = await this.#gateway.read([OWNER_KEY]).catch(() => undefined)
    if (signs === undefined) {
      // Out of reach, or an nginx of before, whose owners give no sign.
      return false
    }
    const text = `${epoch} ${signs[0] ?? ''}`
    const now = performance.now()
    if (text !== this.#sign.text) {
      this.#sign = { text, seenAtMs: now }
    }
    return now - this.#sign.seenAtMs >= this.#deadMs
  }
}
