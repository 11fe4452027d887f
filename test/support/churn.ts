/** What tests of a churn have in common: policies to churn, and what is held afterwards. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Policy } from '../../contract/record/policy.js'
import type { ClientLine, LoadVerdict } from '../../lab/load/ledger.js'
import type { Rig } from '../../lab/load/rig.js'

/** For each upstream of the scene, the one for TCP and the one for TLS passed through last. */
export const COUNTING: Policy[] = [
  { balance: 'random' },
  { balance: 'roundRobin' },
  { balance: 'leastConn' },
  { balance: 'hash', hash: { key: 'uri' } },
  { balance: 'leastConn' },
  { balance: 'random' },
]

/** `lost`: of the verdict's, those that count. */
export function holdVerdict(
  t: Test,
  verdict: LoadVerdict,
  lost: ClientLine[] = verdict.lost,
): void {
  t.equal(verdict.tooSmall, undefined, 'the load was large enough')
  t.same(lost.slice(0, 3), [], 'none lost')
  t.same(verdict.misrouted.slice(0, 3), [], 'none misrouted')
  t.same(verdict.afterDrain.slice(0, 3), [], 'none after a drain or removal was answered')
  t.same(verdict.duplicated.slice(0, 3), [], 'no POST sent twice')
  t.same(verdict.disagreed.slice(0, 3), [], 'both ledgers agree')
}

/** Lines of nginx's error log that no refused backend explains. */
export function complaints(rig: Rig): string[] {
  const log = readFileSync(join(rig.home, 'logs/error.log'), 'utf8')
  return log.split('\n').filter((line) => /\[(emerg|alert|crit)\]|js exception/.test(line))
}
