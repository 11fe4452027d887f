/** How the admin endpoint's calls answer, and how those that write do it: one at a time. */
import { answerOk, guarded, methodRefusal, reject } from './answers.js'
import type { AdminAnswer } from './answers.js'
import { readState } from './apply.js'
import type { Applied } from './apply.js'
import type { TableState } from '../../contract/table/table.js'
import { zones } from '../memory/dict.js'
import { unlockWrites, lockWrites } from '../memory/write-lock.js'

export function send(r: NginxHTTPRequest, answer: AdminAnswer): void {
  r.headersOut['Content-Type'] = 'application/json'
  r.return(answer.status, answer.body + '\n')
}

export function post(r: NginxHTTPRequest, call: () => AdminAnswer): void {
  send(
    r,
    guarded(() => methodRefusal(r.method, 'POST') || call()),
  )
}

/** `report` makes the answer of the state after it. */
export function write(apply: () => Applied, report: (state: TableState) => object): AdminAnswer {
  if (!lockWrites(zones.sluice_counter, Date.now())) {
    return reject('conflict', 'another write is under way', {})
  }
  let applied: Applied
  try {
    applied = apply()
  } finally {
    unlockWrites(zones.sluice_counter)
  }
  if (applied.ok) {
    return answerOk(report(applied.state))
  }
  const state = readState(zones.sluice_table)
  return reject(applied.code, applied.message, { epoch: state.epoch, revision: state.revision })
}
