/** nginx's `upstream` blocks → upstreams of Sluice. Pure. */
import { parseIp } from '../../../contract/guard/address.js'
import { hashKeyOf } from '../../../contract/guard/hash-variable.js'
import { guardInstance } from '../../../contract/record/instance-record.js'
import { guardPolicy } from '../../../contract/record/policy.js'
import type { Directive } from '../../conf-check/parse-conf.js'
import type { Taken, TakenInstance, TakenUpstream } from './taken.js'

const NOTHING_TO_TAKE = /^(keepalive|zone)/

/** `10s`, `1m` or `500ms`, as nginx reads times, in milliseconds. Undefined: not one of these. */
export function parseTime(text: string): number | undefined {
  const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
  const match = /^(\d+)(ms|s|m|h|d)?$/.exec(text)
  return match === null ? undefined : Number(match[1]) * (units[match[2] ?? 's'] ?? 1000)
}

/** `10.0.0.7:81` or `[fd00::7]`; undefined when it is no address. */
export function parseAddress(
  text: string,
  defaultPort: number,
): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+|localhost))(?::(\d{1,5}))?$/.exec(text)
  const host = match?.[1] ?? (match?.[2] === 'localhost' ? '127.0.0.1' : match?.[2])
  return host === undefined || parseIp(host) === null
    ? undefined
    : { host, port: Number(match?.[3] ?? defaultPort) }
}

/** An id of what stands at this address that no other of `instances` has. */
export function idFor(host: string, port: number, instances: TakenInstance[]): string {
  const plain = `${host}:${port}`
  const same = instances.filter(({ id }) => id === plain || id.startsWith(`${plain}_`)).length
  return same === 0 ? plain : `${plain}_${same + 1}`
}

/** Settings of nginx's servers that are an upstream's in Sluice. */
interface Limits {
  maxFails?: number
  failTimeoutMs?: number
}

/** Whether there is such a thing in Sluice. */
function readParam(param: string, instance: TakenInstance, limits: Limits): boolean {
  const [name = '', value = ''] = param.split('=')
  if (name === 'weight') {
    instance.weight = Number(value)
  } else if (name === 'max_conns') {
    // nginx's 0 is no limit.
    Object.assign(instance, value === '0' ? {} : { maxConns: Number(value) })
  } else if (name === 'backup') {
    instance.backup = true
  } else if (name === 'down') {
    instance.state = 'down'
  } else if (name === 'max_fails') {
    limits.maxFails = Number(value)
  } else if (name === 'fail_timeout') {
    limits.failTimeoutMs = parseTime(value) ?? NaN
  } else {
    return false
  }
  return true
}

function readServer(server: Directive, upstream: TakenUpstream, taken: Taken): Limits | undefined {
  const [address = '', ...params] = server.args
  const found = parseAddress(address, 80)
  if (found === undefined) {
    const why = address.startsWith('unix:')
      ? 'instances are at addresses; a socket is none'
      : 'it is a name: give the upstream dns, as docs/dns.md says'
    taken.leave(server, why)
    return undefined
  }
  const instance: TakenInstance = {
    id: idFor(found.host, found.port, upstream.instances),
    ...found,
  }
  const limits: Limits = {}
  for (const param of params) {
    if (!readParam(param, instance, limits)) {
      taken.differ(server, `${param} is not taken: Sluice has nothing like it`)
    }
  }
  const { id, ...record } = instance
  const guarded = guardInstance(record, { allowLoopback: true })
  if (!guarded.ok) {
    taken.leave(server, `${id}: ${guarded.field} ${guarded.message}`)
    return undefined
  }
  upstream.instances.push(instance)
  if (/^(127\.|::1$)/.test(instance.host)) {
    taken.settings.set('SLUICE_ALLOW_LOOPBACK', 'true')
  }
  return limits
}

/** The part of a policy that says the same; undefined: none does. */
function balanceOf({ name, args }: Directive): Record<string, unknown> | undefined {
  const [first = '', second = ''] = args
  if (name === 'least_conn') {
    return { balance: 'leastConn' }
  }
  if (name === 'ip_hash') {
    return { balance: 'ipHash' }
  }
  if (name === 'random') {
    const isTwo = first === 'two' && (second === '' || second === 'least_conn')
    return first === '' ? { balance: 'random' } : isTwo ? { balance: 'randomTwo' } : undefined
  }
  if (name === 'hash') {
    const key = hashKeyOf(first)
    return key === undefined ? undefined : { balance: 'hash', hash: { key } }
  }
  return undefined
}

/** nginx has limits for each server, Sluice one for all: the first server’s. */
function ejectOf(block: Directive, all: Limits[], taken: Taken): object {
  const [first = {}, ...others] = all
  if (others.some((each) => JSON.stringify(each) !== JSON.stringify(first))) {
    const why = 'its servers have different max_fails or fail_timeout; the first one’s are for all'
    taken.differ(block, why)
  }
  return Object.keys(first).length === 0 ? {} : { eject: first }
}

/** Reads one block. What cannot be taken is noted in `taken`. */
export function readUpstreamBlock(block: Directive, taken: Taken): TakenUpstream {
  // nginx takes its servers in turn where nothing else is said.
  const upstream: TakenUpstream = { policy: { balance: 'roundRobin' }, instances: [] }
  const limits: Limits[] = []
  for (const directive of block.block ?? []) {
    const balance = balanceOf(directive)
    if (directive.name === 'server') {
      const read = readServer(directive, upstream, taken)
      limits.push(...(read === undefined ? [] : [read]))
    } else if (balance !== undefined) {
      Object.assign(upstream.policy, balance)
    } else if (NOTHING_TO_TAKE.test(directive.name)) {
      taken.leave(directive, 'nothing to take: Sluice keeps connections and counts by itself')
    } else {
      taken.leave(directive, 'no policy of an upstream says this; see docs/policies.md')
    }
  }
  const eject = ejectOf(block, limits, taken)
  const guarded = guardPolicy({ ...upstream.policy, ...eject })
  if (guarded.ok) {
    Object.assign(upstream.policy, eject)
  } else {
    taken.differ(block, `max_fails or fail_timeout: ${guarded.field} ${guarded.message}`)
  }
  return upstream
}
