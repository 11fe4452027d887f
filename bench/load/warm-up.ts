/** Waits until nginx has its peers in the pool. */
import { until } from '../../lab/until.js'
import type { Driver } from './drive.js'
import { sized } from '../rig/sized.js'

const TRIED = sized(300, 20)
/**
 * nginx asks for new members of the pool every second, and a peer is used through it when that is
 * surely over.
 */
const EVERY_MS = sized(700, 20)
const LEAST = sized(6, 2)

/**
 * Until nginx has all peers in its pool they are reached by address, which costs more. So each
 * driver runs until its pace has not got better for a while.
 */
export async function pooled(drivers: readonly Driver[]): Promise<void> {
  let best = Infinity
  let rounds = 0
  const settled = async (): Promise<boolean> => {
    let took = 0
    for (const driver of drivers) {
      took += await driver.run(TRIED)
    }
    const even = took > best * 0.85
    best = Math.min(best, took)
    return ++rounds >= LEAST && even
  }
  await until(settled, { intervalMs: EVERY_MS, deadlineMs: 60_000, what: 'an even pace' })
}
