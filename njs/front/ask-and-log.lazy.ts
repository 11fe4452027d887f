/**
 * What nginx asks of the front besides its pick: where a request that has a body goes on, whether
 * the pick still holds when the body is here, and which instance answered, for the log.
 */
import { KEPT_LOCATION } from '../../contract/servers.js'
import { keptWay } from '../../contract/table/peer-way.js'
import { whoIs } from '../choose/choice.js'
import { countFailure } from '../memory/counters.js'
import { countForDrain } from '../memory/count-for-drain.js'
import { zones } from '../memory/dict.js'
import { findUnit } from '../table/lookup.js'
import { findPeer, rulesOf } from '../table/peers.js'
import { instanceName } from './instance-name.lazy.js'
import { onward } from './onward.lazy.js'

export interface AskAndLog {
  atMoment: typeof atMoment
  fail: typeof fail
}

function fail(what: string, error: unknown, r: NginxHTTPRequest): void {
  countFailure(zones.sluice_counter, what, error, r)
}

/** Whether the kept pool still has the peer, and it is still reached in the same way. */
function isKept(r: NginxHTTPRequest, sid: string): boolean {
  const v = r.variables
  const table = zones.sluice_table
  const upstream = findUnit(table, v.sluice_key as string, r)
  const rules = rulesOf(table, upstream)
  const peer = findPeer(table, upstream, sid)
  const way = (v.sluice_onward as string).slice(KEPT_LOCATION.length) + ' ' + v.sluice_tls_name
  return peer !== null && peer.pooled && rules !== null && way === keptWay(rules)
}

/**
 * The body is here and the peer was picked; so it counts from now on. A wide pool has its shard
 * named, and so the peer picked, before the body comes: then the upstream may have lost it since.
 * The address may be another upstream's by now; without a SID the hop decides anew. So may a peer
 * of the kept pool. One that drains since may finish what came before.
 */
function confirmPick(r: NginxHTTPRequest): string {
  const v = r.variables
  const table = zones.sluice_table
  try {
    const picked = v.sluice_sid as string
    if (picked === '') {
      return ''
    }
    const isKnown = v.sluice_kept_sid
      ? isKept(r, picked)
      : v.sluice_shard === undefined ||
        whoIs(table, findUnit(table, v.sluice_key as string, r), picked) !== null
    if (isKnown) {
      countForDrain(picked)
    } else {
      v.sluice_sid = ''
      v.sluice_kept_sid = ''
    }
  } catch (error) {
    fail('the second look', error, r)
    v.sluice_sid = ''
    v.sluice_kept_sid = ''
  }
  return ''
}

/** '' where `$sluice_onward` says where the request goes on; `-` where the pool is asked. */
function goOn(r: NginxHTTPRequest): string {
  try {
    const onwards = onward()(zones.sluice_table, r)
    if (onwards !== '') {
      r.variables.sluice_onward = onwards
      return ''
    }
  } catch (error) {
    fail('the first look', error, r)
  }
  return '-'
}

/**
 * What nginx asks for at three moments, as one function, because each more would cost every
 * request. Never throws.
 *
 * - `$sluice_before_body`: before its limit_conn counts.
 * - `$sluice_after_body`: when that has counted, and nobody was asked yet.
 * - `$sluice_log_pick`, `<upstream> <instance>`: when there is an answer of the pool's, whose name
 *   the slot did not have.
 */
function atMoment(r: NginxHTTPRequest): string {
  const v = r.variables
  if (!v.upstream_addr && r.status === 0) {
    return v.limit_conn_status ? confirmPick(r) : goOn(r)
  }
  return instanceName(r)
}

export function askAndLog(): AskAndLog {
  return { atMoment: atMoment, fail: fail }
}
