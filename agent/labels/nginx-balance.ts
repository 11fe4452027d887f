/** How an upstream block of nginx balances, such as `least_conn;` → a policy. Pure. */
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

/** `$cookie_user` → `cookie:user` */
function sourceOf(variable: string): string | undefined {
  if (/^\$(binary_)?remote_addr$/.test(variable)) {
    return 'address'
  }
  const [, kind = '', name = ''] = /^\$(cookie|arg|http)_(\w+)$/.exec(variable) ?? []
  const kinds: Record<string, string> = { cookie: 'cookie', arg: 'argument', http: 'header' }
  const dashed = kind === 'http' ? name.replaceAll('_', '-') : name
  return variable === '$request_uri' ? 'uri' : kind === '' ? undefined : `${kinds[kind]}:${dashed}`
}

/** Undefined where Sluice does not balance so. */
export function nginxBalance(text: string): Policy | undefined {
  const plain = text.trim().replace(/\s*;$/, '').replace(/\s+/g, ' ')
  const key = sourceOf(/^hash (\S+)( consistent)?$/.exec(plain)?.[1] ?? '')
  const balance =
    key === undefined ? (Object.hasOwn(BALANCES, plain) ? BALANCES[plain] : '') : 'hash'
  const guarded = guardPolicy({ balance, ...(key !== undefined && { hash: { key } }) })
  return guarded.ok ? guarded.value : undefined
}
