/** How an upstream block of nginx balances, such as `least_conn;` → a policy. Pure. */
import { hashKeyOf } from '../../contract/guard/hash-variable.js'
import { guardPolicy } from '../../contract/record/policy.js'
import type { Policy } from '../../contract/record/policy.js'

const BALANCES: Record<string, string> = {
  least_conn: 'leastConn',
  ip_hash: 'ipHash',
  random: 'random',
  'random two': 'randomTwo',
  'random two least_conn': 'randomTwo',
  round_robin: 'roundRobin',
}

/** Undefined where Sluice does not balance so. */
export function nginxBalance(text: string): Policy | undefined {
  const plain = text.trim().replace(/\s*;$/, '').replace(/\s+/g, ' ')
  const key = hashKeyOf(/^hash (\S+)( consistent)?$/.exec(plain)?.[1] ?? '')
  const balance =
    key === undefined ? (Object.hasOwn(BALANCES, plain) ? BALANCES[plain] : '') : 'hash'
  const guarded = guardPolicy({ balance, ...(key !== undefined && { hash: { key } }) })
  return guarded.ok ? guarded.value : undefined
}
