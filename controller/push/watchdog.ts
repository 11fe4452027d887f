/**
 * Notices a dict whose lock a killed worker left held: writes hang for ever in every worker, and a
 * reload does not cure it. Cure: stop nginx and start it again, or give the zone another size and
 * reload. Both give an empty zone, which the pusher fills.
 * Nothing is restarted from here: requests are still served, and people decide when to interrupt
 * them.
 */
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { Loop } from '../../runtime/loop.js'
import { pause } from '../../runtime/retry.js'
import { isTimeout } from './gateway-client.js'
import type { GatewayClient } from './gateway-client.js'

export interface WatchdogOptions {
  log: Logger
  /** Of this controller, while it owns the gateway. */
  ownEpoch?: () => number | undefined
  /** Between two probes. */
  everyMs: number
  /** Called when it changes. */
  onHung(hung: boolean): void
}

/** One slow answer may be a busy machine. */
const PROBES = 3

export const HUNG_REASON =
  'the lock of the shared dict hangs: a worker died while it held it. Requests are served, but changes do not reach ' +
  'nginx. Stop nginx and start it again; a reload does not help'

export class Watchdog {
  readonly #gateway: GatewayClient
  readonly #options: WatchdogOptions
  readonly #loop: Loop
  #late = 0
  #isHung = false

  constructor(gateway: GatewayClient, options: WatchdogOptions) {
    this.#gateway = gateway
    this.#options = options
    this.#loop = new Loop({
      round: (loop) => this.#probe(loop.signal),
      onError: (error) => options.log.warn({ error: messageOf(error) }, 'probe of the dict failed'),
      retry: { firstMs: options.everyMs, mostMs: options.everyMs },
    })
  }

  get isHung(): boolean {
    return this.#isHung
  }

  start(): void {
    this.#loop.start()
  }

  close(): Promise<void> {
    return this.#loop.close()
  }

  async #probe(signal: AbortSignal): Promise<void> {
    const { everyMs } = this.#options
    await pause(this.#late > 0 ? everyMs / 4 : everyMs, signal)
    this.#late = (await this.#isLate()) ? this.#late + 1 : 0
    this.#report(this.#late >= PROBES)
  }

  /**
   * Whether a write hangs while nginx itself answers. Any other failure is not about the lock, and
   * the pusher says it.
   */
  async #isLate(): Promise<boolean> {
    try {
      await this.#gateway.touch(this.#options.ownEpoch?.())
      return false
    } catch (error) {
      if (!isTimeout(error)) {
        return false
      }
    }
    try {
      await this.#gateway.alive()
      return true
    } catch (error) {
      this.#options.log.debug({ error: messageOf(error) }, 'nginx does not answer at all')
      return this.#isHung
    }
  }

  #report(isHung: boolean): void {
    if (isHung !== this.#isHung) {
      this.#isHung = isHung
      this.#options.onHung(isHung)
      if (isHung) {
        this.#options.log.error({ reason: HUNG_REASON }, 'shared dict hangs')
      } else {
        this.#options.log.info('shared dict answers again')
      }
    }
  }
}
