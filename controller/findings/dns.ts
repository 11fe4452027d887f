/** Findings about names of DNS that upstreams have instances from. */
import type { DnsNameView } from '../views.js'
import type { Observation, FindingSource } from './facts.js'

/** One question that was lost is asked again before that. */
const GRACE_MS = 5000
const MOST_SHOWN = 50

export const dnsStale: FindingSource = ({ dnsNames }) =>
  [...dnsNames()].flatMap(([upstream, names]) => observe(upstream, names)).slice(0, MOST_SHOWN)

function observe(upstream: string, names: DnsNameView[]): Observation[] {
  // A name that has addresses of one kind alone is none to mend.
  const isGood = (name: string) => names.some((one) => one.name === name && one.state === 'good')
  const bad = names.find((one) => {
    const isBad = one.state === 'failed' || (one.state === 'empty' && !isGood(one.name))
    return one.reason !== undefined && (isBad || one.state === 'good')
  })
  if (bad === undefined) {
    return []
  }
  const { name, type, reason = '', sinceAtMs, records } = bad
  const what = records === 0 ? 'nothing is known of it' : `the last ${records} records are kept`
  const message =
    bad.state === 'good'
      ? `upstream ${upstream}: ${name} ${type} answers what may not serve: ${reason}`
      : `upstream ${upstream}: ${name} ${type} is not answered: ${reason}; ${what}`
  const since = sinceAtMs !== undefined && { sinceAtMs }
  return [{ code: 'dns_stale', subject: upstream, message, ...since, graceMs: GRACE_MS }]
}
