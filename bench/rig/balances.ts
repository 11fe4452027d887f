/** The balances that parts compare. */
import type { Rig } from '../../lab/load/rig.js'

/**
 * What may stand in a policy. How `fair` it ought to be: as even as chance, or exactly even over
 * each cycle.
 */
export interface Balance {
  name: string
  fair: 'chance' | 'exact'
}

export const RANDOM: Balance = { name: 'random', fair: 'chance' }
export const ROUND_ROBIN: Balance = { name: 'roundRobin', fair: 'exact' }

/**
 * Gives an upstream its policy; undefined when done, and else the words with which the API refused.
 */
export async function setBalance(
  rig: Rig,
  upstream: string,
  balance: string,
): Promise<string | undefined> {
  const { status, body } = await rig.call('PUT', `/v1/upstreams/${upstream}`, {
    policy: { balance },
  })
  if (status >= 200 && status <= 299) {
    return undefined
  }
  if (status === 400 || status === 422) {
    return `${status} ${body.code ?? ''}`.trim()
  }
  throw new Error(`balance ${balance} of ${upstream}: ${status} ${JSON.stringify(body)}`)
}
